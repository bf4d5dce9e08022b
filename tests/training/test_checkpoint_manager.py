"""The checkpoints of a run: valid parameters only, the best by validation, and none in a deleted directory."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from metamann.errors import TrainingError
from metamann.learners.mann import MANN
from metamann.training.checkpoint import load_checkpoint
from metamann.training.checkpoint_manager import LARGEST, CheckpointManager, is_better, parameter_fault
from metamann.training.dashboards import Mirrors
from metamann.training.record import Record


@pytest.fixture
def manager(make_mann: Callable[..., MANN], tmp_path: Path) -> Iterator[CheckpointManager]:
    """Of a tiny learner that was never trained."""
    learner = make_mann("keyvalue")
    record = Record(tmp_path / "run", Mirrors({}), 10, 4)
    record.open(0, 0.0)
    with record:
        yield CheckpointManager(
            tmp_path / "run" / "checkpoints",
            learner,
            torch.optim.AdamW(learner.parameters()),
            record,
            ({}, {}),
            "accuracy",
        )


def spoil(manager: CheckpointManager, value: float) -> None:
    with torch.no_grad():
        next(manager._learner.parameters()).flatten()[0] = value


def steps(manager: CheckpointManager) -> list[int]:
    return [load_checkpoint(path).step for path in (manager.previous, manager.last) if path.exists()]


def test_of_learners_with_one_accuracy_the_first_is_the_best_unless_bits_tell_them_apart() -> None:
    best = {"accuracy": 0.7, "bits_per_sequence": 2.0, "step": 4.0}
    assert is_better({"accuracy": 0.7}, {"step": 0.0}, "accuracy")
    assert is_better({"f1": 0.0}, {"step": 0.0}, "f1")
    assert is_better({"f1": 0.3, "accuracy": 0.1}, {"f1": 0.2, "accuracy": 0.9, "step": 4.0}, "f1")
    assert not is_better({"f1": 0.3, "accuracy": 0.1}, {"f1": 0.2, "accuracy": 0.9, "step": 4.0}, "accuracy")
    assert not is_better({"f1": 0.2}, {"f1": 0.2, "step": 4.0}, "f1")
    assert not is_better({"accuracy": 0.7}, {"accuracy": 0.7, "step": 4.0}, "accuracy")
    assert is_better({"accuracy": 0.7, "bits_per_sequence": 1.9}, best, "accuracy")
    assert not is_better({"accuracy": 0.7, "bits_per_sequence": 2.0}, best, "accuracy")
    assert is_better({"accuracy": 0.71, "bits_per_sequence": 3.0}, best, "accuracy")
    assert not is_better({"accuracy": 0.69, "bits_per_sequence": 1.0}, best, "accuracy")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.01 * LARGEST, -7.9e12])
def test_parameters_that_blew_up_are_not_saved(value: float, manager: CheckpointManager) -> None:
    manager.save_last(3)
    spoil(manager, value)
    for save in (lambda: manager.save_last(4), lambda: manager.check(4)):
        with pytest.raises(TrainingError, match=rf"step 4: encoder.*{manager.last} holds good"):
            save()
    assert steps(manager) == [3]


def test_parameters_of_any_usual_size_are_saved(manager: CheckpointManager) -> None:
    spoil(manager, 0.99 * LARGEST)
    manager.save_last(1)
    assert steps(manager) == [1]


def test_a_buffer_may_be_large_but_not_infinite(make_mann: Callable[..., MANN]) -> None:
    learner = make_mann("keyvalue")
    margin = learner.memory.novelty_margin()
    assert margin is not None
    margin.fill_(1e9)
    assert parameter_fault(learner) is None
    margin.fill_(math.inf)
    assert "margin" in str(parameter_fault(learner))


def test_the_checkpoint_before_takes_the_place_of_one_whose_loss_is_not_finite(manager: CheckpointManager) -> None:
    for step in (0, 2, 4):
        manager.save_last(step)
    assert steps(manager) == [2, 4]
    manager.restore_previous(5)  # the parameters of step 4 gave a finite loss
    assert steps(manager) == [2, 4]
    manager.restore_previous(4)
    assert steps(manager) == [2]


def test_the_only_checkpoint_is_never_taken_away(manager: CheckpointManager) -> None:
    manager.save_last(0)
    manager.restore_previous(0)
    assert steps(manager) == [0]


def test_saving_a_step_twice_does_not_lose_the_one_before(manager: CheckpointManager) -> None:
    for step in (0, 2, 2):
        manager.save_last(step)
    assert steps(manager) == [0, 2]


def test_where_files_have_one_name_only_the_checkpoint_is_copied(
    manager: CheckpointManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for step in (1, 2):
        manager.save_last(step)
    assert steps(manager) == [1, 2]


@pytest.mark.parametrize("scores", [{"accuracy": 0.9, "bits_per_sequence": math.nan}, {"accuracy": math.inf}])
def test_a_validation_that_is_not_finite_chooses_nothing(scores: dict[str, float], manager: CheckpointManager) -> None:
    manager.save_last(0)
    with pytest.raises(TrainingError, match="validation at step 3"):
        manager.save_if_best(3, scores)
    assert not (manager.last.parent / "best.pt").exists()


@pytest.mark.parametrize("what", ["run", "checkpoints", "run and made again"])
def test_nothing_is_written_where_the_directory_is_gone(what: str, manager: CheckpointManager) -> None:
    manager.save_last(0)
    manager.save_last(1)
    gone = manager.last.parent if what == "checkpoints" else manager.last.parent.parent
    shutil.rmtree(gone)
    if what == "run and made again":
        manager.last.parent.mkdir(parents=True)
        (gone / "metrics.jsonl").touch()
    before = sorted(gone.parent.rglob("*"))
    for write in (lambda: manager.save_last(2), lambda: manager.save_if_best(2, {"accuracy": 1.0})):
        with pytest.raises(TrainingError, match="was deleted"):
            write()
    assert sorted(gone.parent.rglob("*")) == before
