"""Small runs on the embedded data, trained once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import metamann

QUIET = {"logger.wandb": False, "logger.tensorboard": False, "validation.episodes": 4, "trainer.steps": 2}


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run on drawings and one on sentences, by name."""
    folder = tmp_path_factory.mktemp("runs")
    small = {"data.alphabets": [3, 1, 1], "data.characters": 12, "encoder.channels": 8, "encoder.first_channels": None}
    drawings = metamann.settings(
        "quickstart", **QUIET, **small, **{"train_protocol.ways": 10, "protocol.steps": 25, "data.drawings": 8}
    )
    sentences = metamann.settings(
        "records_5way_1shot", **QUIET, **{"data.sentences": [400, 300, 300], "encoder.hidden": 16}
    )
    metamann.train(drawings, folder / "drawings")
    metamann.train(sentences, folder / "sentences")
    return {name: folder / name for name in ("drawings", "sentences")}


@pytest.fixture
def working_folder(trained_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs where README and docs/guides/python.md have them, in the folder that the code runs in."""
    places = {
        "drawings": ("outputs/quickstart/run", "runs/other"),
        "sentences": ("outputs/records/run", "runs/records"),
    }
    for name, wheres in places.items():
        for where in wheres:
            shutil.copytree(trained_runs[name], tmp_path / where)
    monkeypatch.chdir(tmp_path)
    return tmp_path
