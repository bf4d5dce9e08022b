"""Data and settings of whole commands that take a second."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import Ended, run
from toy_folder import CLASSES, DRAWINGS, SIDE, draw_folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 10 classes: 4 to train on, 3 to validate, 3 to test."""
    return draw_folder(tmp_path_factory.mktemp("toy") / "images", CLASSES, DRAWINGS, seed=0)


@pytest.fixture(scope="session")
def other_toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another folder, of 5 classes."""
    return draw_folder(tmp_path_factory.mktemp("other_toy") / "images", 5, DRAWINGS, seed=1)


@pytest.fixture(scope="session")
def tiny(toy: Path) -> list[str]:
    """Overrides of `metamann-train` that make a whole run of 6 steps a second's work."""
    return [
        "data=folder", f"data.path={toy}", f"data.size={SIDE}", "data.shares=[0.4,0.3,0.3]",
        "protocol.ways=3", "protocol.steps=12", "encoder.channels=8", "encoder.dropout=0.1",
        "trainer.steps=6", "trainer.batch_size=2", "trainer.validate_every=3", "trainer.log_every=1",
        "trainer.save_every_seconds=0", "trainer.learning_rate=0.01", "trainer.warmup_steps=2",
        "validation.episodes=6", "logger.wandb=false", "logger.tensorboard=false",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def trained(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One whole run of the tiny settings; its directory is read by many tests and changed by none."""
    return run("train", *tiny, cwd=tmp_path_factory.mktemp("trained"))
