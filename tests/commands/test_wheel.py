"""The wheel that users install: complete, and working far from the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the source, with the setuptools that is installed."""
    source = tmp_path_factory.mktemp("source")
    for name in ("metamann", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    built = source / "dist"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", built, source], check=True)
    return next(built.glob("metamann-*.whl"))


def test_all_of_the_package_is_inside_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    of_the_package = [file for ending in ("*.py", "*.txt", "*.c", "*.h") for file in (ROOT / "metamann").rglob(ending)]
    modules = {file.relative_to(ROOT).as_posix() for file in of_the_package}
    files = [file for file in (ROOT / "conf").rglob("*") if file.suffix in (".yaml", ".py")]
    configurations = {f"metamann/conf/{file.relative_to(ROOT / 'conf').as_posix()}" for file in files}
    assert "metamann/conf/experiment/quickstart.yaml" in configurations
    assert inside == modules | configurations | {"metamann/py.typed"}


def test_it_trains_from_another_directory_without_the_source(wheel: Path, tiny: list[str], tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", site, wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "METAMANN_CACHE": str(tmp_path / "cache")}
    where = "import metamann, metamann.conf; print(metamann.__file__, metamann.conf.__file__)"
    found = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert all(Path(file).is_relative_to(site) for file in found.stdout.split()), found
    command = [sys.executable, "-m", "metamann.commands.train", *tiny, "trainer.steps=1"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    directory = Path(ended.stdout.splitlines()[-1].removeprefix("run directory: "))
    assert (directory / "results.json").is_file()
