"""A stranger's file is data: it is refused or read, and nothing in it acts.

Every file is opened by a command under an audit hook that sees processes, connections, imports, unpickling and writes.
"""

from __future__ import annotations

import getpass
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commandline import Ended, run
from hostile import HOSTILE, Planted, a_pretrained_encoder, write
from watch import Watch, findings

QUIET = ["logger.wandb=false", "logger.tensorboard=false"]
TINY = [
    "experiment=quickstart", "data.alphabets=[4,3,3]", "data.characters=8", "data.drawings=12", "data.size=16",
    "protocol.ways=3", "protocol.steps=12", "train_protocol.ways=8", "train_protocol.queries=2", "encoder.channels=8",
    "trainer.steps=2", "trainer.validate_every=2", "validation.episodes=4", *QUIET,
]  # fmt: skip
ASKED = ["episodes=4", *QUIET]
# ways in which a checkpoint gets into a command
WAYS: dict[str, Callable[[Path, Path], tuple[str, list[str]]]] = {
    "evaluate": lambda evil, clean: ("evaluate", [f"checkpoint={evil}", *ASKED]),
    "audit": lambda evil, clean: ("audit", [f"checkpoint={evil}", "episodes=20", "answered=20"]),
    "compare": lambda evil, clean: ("compare", [f"runs=[{clean},{evil}]", "episodes=4"]),
    "continual": lambda evil, clean: ("continual", [f"runs=[{evil}]", "episodes=2", "tasks=2", "classes=2"]),
    "resume": lambda evil, clean: ("train", [f"resume={evil.parent.parent}", "trainer.steps=4", *QUIET]),
    "encoder_from": lambda evil, clean: ("train", [f"encoder_from={evil}", *TINY]),
}


class Place:
    """A folder in which commands run, with what they have in common.

    Args:
        folder: empty.
        closure: packages that commands may import; None to find out.
    """

    def __init__(self, folder: Path, cache: Path, closure: frozenset[str] | None) -> None:
        self.folder, self.cache, self.closure = folder, cache, closure
        self.out = folder / "out"
        folder.mkdir(parents=True, exist_ok=True)

    def watched(self, command: str, arguments: Sequence[str], *places: Path) -> tuple[Ended, list[tuple[str, str]]]:
        """Run a command; what came of it, and what it did that it must not do."""
        seen = self.folder / "seen"
        seen.touch()
        torchs = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"  # made when torch is imported
        own = [self.out, self.cache, self.folder / "home", torchs, *places]
        watch = Watch(str(seen), tuple(str(place.resolve()) for place in own), self.closure)
        given = [] if any(argument.startswith("resume=") for argument in arguments) else [f"hydra.run.dir={self.out}"]
        ended = run(command, *arguments, *given, cwd=self.folder, sabotage=watch, METAMANN_CACHE=str(self.cache))
        return ended, findings(seen)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded data, shared: what a user has."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def clean(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directory of a clean run."""
    folder = tmp_path_factory.mktemp("clean")
    return run("train", *TINY, cwd=folder, METAMANN_CACHE=str(cache)).run_directory


@pytest.fixture(scope="session")
def closure(
    clean: Path, contents: dict[str, Any], cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> frozenset[str]:
    """Packages that commands import when they open a clean checkpoint, with a pretrained encoder too."""
    found: set[str] = set()
    place = Place(tmp_path_factory.mktemp("minilm"), cache, None)
    minilm = write(a_pretrained_encoder, contents, place.folder / "minilm.pt", place.folder)
    ended, seen = place.watched(*WAYS["evaluate"](minilm, clean))
    assert "another learner" in ended.err
    found |= {package for event, package in seen if event == "import"}
    assert not [each for each in seen if each[0] != "import"], seen
    for way, call in WAYS.items():
        place = Place(tmp_path_factory.mktemp(way.replace("_", "")), cache, None)
        copied = place.folder / "run" / "checkpoints" / "best.pt"
        copied.parent.mkdir(parents=True)
        copied.write_bytes((clean / "checkpoints" / "best.pt").read_bytes())
        copied.with_name("last.pt").write_bytes((clean / "checkpoints" / "last.pt").read_bytes())
        ended, seen = place.watched(*call(copied, clean), place.folder / "run")
        assert way == "compare" or ended.status in (0, 1), ended.err  # two of one run are refused at the end
        found |= {package for event, package in seen if event == "import"}
        assert not [each for each in seen if each[0] != "import"], seen
    return frozenset(found)


@pytest.fixture
def place(tmp_path: Path, cache: Path, closure: frozenset[str]) -> Place:
    return Place(tmp_path / "place", cache, closure)


@pytest.fixture(scope="session")
def contents(clean: Path) -> dict[str, Any]:
    """Content of the clean run's last checkpoint, which resuming and evaluating take alike."""
    loaded: dict[str, Any] = torch.load(clean / "checkpoints" / "last.pt", weights_only=True)
    return loaded


def assert_refused(ended: Ended, seen: list[tuple[str, str]], planted: Path) -> None:
    """One line of an error, status 2, and nothing was done."""
    assert not seen
    assert not planted.exists()
    assert ended.status == 2, ended.err
    *before, last = ended.err.splitlines()
    assert last.startswith("error: ")
    assert len(last) <= len("error: ") + 300
    assert not any("Traceback" in line for line in before)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_does_nothing(
    name: str, contents: dict[str, Any], clean: Path, place: Place, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    evil = write(HOSTILE[name], contents, tmp_path / "run" / "checkpoints" / "last.pt", planted)
    ended, seen = place.watched(*WAYS["evaluate"](evil, clean))
    assert_refused(ended, seen, planted)


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"evaluate"}))
@pytest.mark.parametrize(
    "name",
    [
        "an escaped interpolation in the encoder",
        "os.system as data",
        "a download as protocol",
        "trust in itself",
        "a pickle as optimizer",
        "not finite",
    ],
)
def test_a_hostile_checkpoint_does_nothing_by_whatever_way_it_comes(
    name: str, way: str, contents: dict[str, Any], clean: Path, place: Place, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    evil = write(HOSTILE[name], contents, tmp_path / "run" / "checkpoints" / "last.pt", planted)
    ended, seen = place.watched(*WAYS[way](evil, clean), tmp_path / "run")
    assert_refused(ended, seen, planted)


@pytest.mark.parametrize("what", ["header", "items", "labels", "n_classes"])
def test_a_task_list_with_code_does_nothing(what: str, clean: Path, place: Place, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    ended, _ = place.watched(*WAYS["evaluate"](clean, clean))
    with np.load(ended.run_directory / "tasks.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(tmp_path / "tasks.npz", **{**arrays, what: np.array([Planted(planted)], dtype=object)})
    command, arguments = WAYS["evaluate"](clean, clean)
    out = tmp_path / "again"
    ended, seen = Place(out, place.cache, place.closure).watched(command, [*arguments, f"tasks={tmp_path}/tasks.npz"])
    assert_refused(ended, seen, planted)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_cache_with_code_is_made_anew_and_does_nothing(
    legacy: bool, clean: Path, place: Place, cache: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    poisoned = tmp_path / "cache"
    poisoned.mkdir()
    for file in cache.glob("*.pt"):
        torch.save({"train": Planted(planted)}, poisoned / file.name, _use_new_zipfile_serialization=not legacy)
    assert list(poisoned.iterdir())
    ended, seen = Place(place.folder, poisoned, place.closure).watched(*WAYS["evaluate"](clean, clean))
    assert ended.status == 0, ended.err
    assert "made anew" in ended.err
    assert not seen
    assert not planted.exists()


@pytest.mark.parametrize("name", ["../../planted", "/planted", "a/../../../planted"])
def test_an_archive_that_names_places_outside_writes_nothing(name: str, place: Place, tmp_path: Path) -> None:
    data = place.folder / "data" / "omniglot"
    data.mkdir(parents=True)
    for archive in ("images_background", "images_evaluation"):
        with zipfile.ZipFile(data / f"{archive}.zip", "w") as file:
            file.writestr(f"{name}.png", b"x")
    ended, seen = place.watched("train", ["data=omniglot", *QUIET])
    assert_refused(ended, seen, tmp_path / "planted")


def test_the_watch_sees_what_it_is_for(place: Place, tmp_path: Path) -> None:
    """A module of the user's own may do all of it; the watch writes it down."""
    (place.folder / "own_module.py").write_text(
        "import antigravity, os, pickle, socket, subprocess\n"
        f"open({str(tmp_path / 'written')!r}, 'w').close()\n"
        f"os.mkdir({str(tmp_path / 'made')!r})\n"
        "subprocess.run(['true'])\n"
        "os.system('true')\n"
        "pickle.loads(b'cos\\nmkdir\\n.')\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError:\n    pass\n"
    )
    _, seen = place.watched("audit", ["make_sampler=own_module.sampler"])
    assert {event for event, _ in seen} >= {
        "import", "open", "os.mkdir", "subprocess.Popen", "os.system", "pickle.find_class", "socket.connect",
    }  # fmt: skip
