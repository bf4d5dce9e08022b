"""The commands of README.md run, on small settings; those of the other pages name settings that exist."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from commandline import Ended, run
from hydra import compose, initialize_config_module
from PIL import Image

from metamann.application.compose import register
from metamann.data.images.strokes import strokes

ROOT = Path(__file__).parents[2]
QUIET = ("logger.wandb=false", "logger.tensorboard=false")
FEW_STEPS = ("trainer.steps=2", "trainer.validate_every=2", "trainer.batch_size=1", "validation.episodes=4", *QUIET)
STROKES = (
    "data.alphabets=[3,1,1]", "data.characters=12", "data.drawings=20", "encoder.channels=8",
    "encoder.first_channels=null", "train_protocol.ways=10", "protocol.steps=25",
)  # fmt: skip
SMALL = {  # what makes an experiment small
    "quickstart": STROKES,
    "omniglot_stream": ("encoder.channels=8", "encoder.first_channels=null", "train_protocol.ways=5"),
    "records_5way_1shot": ("data.sentences=[400,300,300]", "encoder.hidden=16"),
}
OTHERS = {
    "evaluate": ("episodes=4", *QUIET),
    "compare": ("episodes=4",),
    "continual": ("episodes=2", "tasks=2", "classes=2", "shots=1", "queries=1"),
    "audit": ("episodes=20", "answered=20"),
}
LONG = ("-m", "resume=RUN", "experiment=records", "support=", "experiment=omniglot", "compare", "continual", "audit")
LABELLED = "Anna B-person\nflew O\nto O\nRome B-place\n\nBob B-person\nsang O\n\n"


def commands_of(page: Path) -> list[str]:
    """The lines of its bash blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def draw(folder: Path) -> None:
    """A folder of pictures of ten classes."""
    store = strokes((3, 1, 1), 12, 8).test
    for number in range(10):
        (folder / f"class{number}").mkdir(parents=True)
        for which, image in enumerate(store.images_of(number)):
            Image.fromarray(255 - image[0].numpy()).save(folder / f"class{number}" / f"{which}.png")


README = [
    pytest.param(line, marks=[pytest.mark.slow] if any(word in line for word in LONG) else [], id=line.split("  ")[0])
    for line in commands_of(ROOT / "README.md")
]


def small(words: list[str]) -> tuple[str, ...]:
    """Overrides behind a command that make it short."""
    command = words[0].removeprefix("metamann-")
    if command != "train":
        return OTHERS[command]
    experiment = next((word.partition("=")[2] for word in words if word.startswith("experiment=")), None)
    return FEW_STEPS if experiment is None else (*SMALL[experiment], *FEW_STEPS)


@pytest.fixture(scope="module")
def quickstart_run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return run("train", "experiment=quickstart", *STROKES, *FEW_STEPS, cwd=tmp_path_factory.mktemp("quickstart"))


@pytest.fixture(scope="module")
def sentences_run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    words = ["metamann-train", "experiment=records_5way_1shot"]
    return run("train", words[1], *small(words), cwd=tmp_path_factory.mktemp("sentences"))


@pytest.mark.parametrize("line", README)
def test_the_commands_of_the_readme_run(line: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words = shlex.split(line, comments=True)
    if words[:2] == ["pip", "install"]:
        return  # tests of the release install it
    environment = {}
    if "RUN" in line.partition("#")[0]:
        fixture = "sentences_run" if "support=" in line else "quickstart_run"
        shutil.copytree(request.getfixturevalue(fixture).run_directory, tmp_path / "RUN")
    if "data.path=DIR" in words:
        draw(tmp_path / "DIR")
    if "support=" in line:
        (tmp_path / "labelled.conll").write_text(LABELLED)
        (tmp_path / "sentences.txt").write_text("Carl flew to Oslo\n")
    if "experiment=omniglot" in line:
        data = request.getfixturevalue("omniglot_data")
        environment = {
            "METAMANN_DATA": str(data.parent), "METAMANN_CACHE": str(request.getfixturevalue("omniglot_cache")),
        }  # fmt: skip
    ended = run(words[0].removeprefix("metamann-"), *words[1:], *small(words), cwd=tmp_path, **environment)
    assert ended.status == (1 if words[0] == "metamann-audit" and "fail " in ended.out else 0), ended.err
    assert ended.run_directory.is_dir()


PAGES = sorted((ROOT / "docs").rglob("*.md"))
WITH_COMMANDS = [page for page in PAGES if any("metamann-" in line for line in commands_of(page))]
OPEN = re.compile(r"(data|protocol|learner|adapter)\.")  # of the run that is opened
OTHER_CONF = ("hydra.searchpath", "--config-dir")  # choices that are not those of conf/


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_the_pages_name_settings_that_exist(page: Path) -> None:
    register()
    for line in commands_of(page):
        words = shlex.split(line, comments=True)
        if not words or not words[0].startswith("metamann-") or any(name in line for name in OTHER_CONF):
            continue
        command = words[0].removeprefix("metamann-")
        overrides = [re.sub(r"=([^\[{,]+),.*", r"=\1", word) for word in words[1:] if word != "-m"]  # the first job
        opened = [f"++{word}" if OPEN.match(word) and command != "train" else word for word in overrides]
        opened = [f"++{word}" if word.startswith("train_protocol.") else word for word in opened]
        with initialize_config_module("metamann.conf", version_base="1.3"):
            assert compose(command, overrides=opened), line
