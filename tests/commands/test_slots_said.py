"""A memory with too few slots for its episodes is said by every command that fills it."""

from __future__ import annotations

from pathlib import Path

from commandline import Ended, run


def test_it_is_said_at_the_start_of_training_and_of_evaluation(tiny: list[str], tmp_path: Path) -> None:
    small = ["trainer.steps=1", "memory=keyvalue_bounded", "memory.slots=2"]
    ended: Ended = run("train", *tiny, *small, cwd=tmp_path / "train")
    note = "note: memory.slots=2 is less than the 3 classes of an episode"
    assert ended.err.count(note) == 1
    options = ["episodes=4", "logger.wandb=false", "logger.tensorboard=false"]
    for command, where in (("evaluate", f"checkpoint={ended.run_directory}"), ("compare", None)):
        runs = f"runs=[{ended.run_directory},{ended.run_directory}:linear_head]"
        arguments = [where, *options] if where else [runs, "episodes=4"]
        again = run(command, *arguments, cwd=tmp_path / command)
        assert again.err.count(note) == 1, again.err
