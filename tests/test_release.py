"""What is released: one command builds it, a bare environment installs it, and it works far from the source."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from metamann.data.images.strokes import strokes

ROOT = Path(__file__).parents[1]
TORCH = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
SENTENCES = """
import metamann
task = metamann.load("sentences").adapt([("Play Thriller by Michael Jackson", [(5, 13, "song"), (17, 32, "artist")])])
print(task.labels, task.predict("Play Imagine by John Lennon"))
"""
PICTURES = """
import metamann
print(metamann.load("pictures").adapt("own/known").predict("own/new.png"))
"""


def ran(*command: str | Path, cwd: Path) -> str:
    """What the command printed; it must end well, and sees nothing of this environment or of the source."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "METAMANN"))}
    environment["METAMANN_CACHE"] = str(cwd / "cache")
    ended = subprocess.run([*command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist of a clean copy of the source, made as `make build` makes them."""
    folder = tmp_path_factory.mktemp("release")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    source = folder / "source"
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    ran("make", "build", f"BIN={Path(sys.executable).parent}", "--old-file=.venv/installed", cwd=source)
    return source / "dist"


@pytest.fixture(scope="module")
def bare(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("bare")
    ran(sys.executable, "-m", "venv", folder / "environment", cwd=folder)
    programs = folder / "environment" / "bin"
    wheel = next(dist.glob("*.whl"))
    ran(programs / "pip", "install", "--quiet", TORCH, wheel, cwd=folder)
    return programs


@pytest.mark.slow
def test_the_sdist_holds_what_the_wheel_is_built_from(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    package = {file.relative_to(ROOT).as_posix() for file in (ROOT / "metamann").rglob("*.py")}
    configurations = {file.relative_to(ROOT).as_posix() for file in (ROOT / "conf").rglob("*.yaml")}
    assert package | configurations | {"pyproject.toml", "README.md", "LICENSE"} <= names


@pytest.mark.slow
def test_the_version_stands_in_one_place(bare: Path, tmp_path: Path) -> None:
    (version,) = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert ran(bare / "metamann", "--version", cwd=tmp_path).splitlines()[0] == f"metamann {version}"
    assert ran(bare / "python", "-c", "import metamann; print(metamann.__version__)", cwd=tmp_path).strip() == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pictures_sentences_and_own_data_in_a_bare_environment(bare: Path, tmp_path: Path) -> None:
    installed = {
        found["name"].lower() for found in json.loads(ran(bare / "pip", "list", "--format=json", cwd=tmp_path))
    }
    assert installed.isdisjoint({"wandb", "tensorboard", "faker", "transformers", "scikit-learn"})
    few = ["trainer.steps=2", "trainer.validate_every=2", "validation.episodes=2"]
    ran(bare / "metamann-train", "experiment=quickstart", "hydra.run.dir=pictures", *few, cwd=tmp_path)
    ran(bare / "metamann-train", "experiment=records_5way_1shot", "hydra.run.dir=sentences", *few, cwd=tmp_path)
    for run in ("pictures", "sentences"):
        ran(bare / "metamann-evaluate", f"checkpoint={run}", "episodes=3", cwd=tmp_path)
    for number, name in enumerate(("first", "second")):
        (tmp_path / "own" / "known" / name).mkdir(parents=True)
        drawing = strokes((2, 1, 1), 2, 8).train.images_of(number)[0][0].numpy()
        Image.fromarray(255 - drawing).save(tmp_path / "own" / "known" / name / "one.png")
        Image.fromarray(255 - drawing).save(tmp_path / "own" / "new.png")
    assert "Prediction(label=" in ran(bare / "python", "-c", PICTURES, cwd=tmp_path)
    assert "('song', 'artist')" in ran(bare / "python", "-c", SENTENCES, cwd=tmp_path)
