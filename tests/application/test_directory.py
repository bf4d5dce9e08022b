"""The directory that a command writes into leads nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metamann.application.directory import LOCK, locked
from metamann.errors import ConfigError


@pytest.mark.parametrize("name", ["checkpoints", "plots", "tensorboard", "wandb", ".hydra", ".hydra/resumed_1"])
def test_a_directory_whose_folders_are_links_is_refused_and_nothing_is_removed(name: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".last.pt.abcdef").write_text("of someone else")
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True)
    (run / name).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is a link"), locked(run):
        pass
    assert (elsewhere / ".last.pt.abcdef").exists()


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_a_lock_that_no_command_wrote_is_refused(kind: str, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    if kind in ("link", "dangling"):
        (run / LOCK).symlink_to(other)
        if kind == "link":
            other.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(run / LOCK)
    else:
        (run / LOCK).mkdir()
    with pytest.raises(ConfigError, match="no file that a command wrote"), locked(run):
        pass
    assert not other.exists() or other.read_text() == "mine"
