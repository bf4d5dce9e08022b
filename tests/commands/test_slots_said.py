"""A memory with too few slots for its episodes is said by every command that fills it."""

from __future__ import annotations

from pathlib import Path

from commandline import Ended, run
from messages import names


def notes(ended: Ended) -> list[str]:
    """The notes on the slots."""
    return [line for line in ended.err.splitlines() if names(line, "note: ", "memory.slots=2", " 3 classes")]


def test_it_is_said_at_the_start_of_training_and_of_evaluation(tiny: list[str], tmp_path: Path) -> None:
    small = ["trainer.steps=1", "memory=keyvalue_bounded", "memory.slots=2"]
    ended: Ended = run("train", *tiny, *small, cwd=tmp_path / "train")
    assert len(notes(ended)) == 1
    options = ["episodes=4", "logger.wandb=false", "logger.tensorboard=false"]
    for command, where in (("evaluate", f"checkpoint={ended.run_directory}"), ("compare", None)):
        runs = f"runs=[{ended.run_directory},{ended.run_directory}:linear_head]"
        arguments = [where, *options] if where else [runs, "episodes=4"]
        again = run(command, *arguments, cwd=tmp_path / command)
        assert len(notes(again)) == 1, again.err
