"""What a run keeps of its learner: only good parameters, the best by validation, and nothing where it was deleted."""

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
from metamann.training.dashboards import Mirrors
from metamann.training.keeping import LARGEST, Keeper, better, fault_of
from metamann.training.record import Record


@pytest.fixture
def keeper(make_mann: Callable[..., MANN], tmp_path: Path) -> Iterator[Keeper]:
    """Of a tiny learner that was never trained."""
    learner = make_mann("keyvalue")
    record = Record(tmp_path / "run", Mirrors({}), 10, 4)
    record.open(0, 0.0)
    with record:
        yield Keeper(
            tmp_path / "run" / "checkpoints",
            learner,
            torch.optim.AdamW(learner.parameters()),
            record,
            ({}, {}),
            "accuracy",
        )


def spoil(keeper: Keeper, value: float) -> None:
    with torch.no_grad():
        next(keeper._learner.parameters()).flatten()[0] = value


def steps(keeper: Keeper) -> list[int]:
    return [load_checkpoint(path).step for path in (keeper.previous, keeper.last) if path.exists()]


def test_of_learners_with_one_accuracy_the_first_is_the_best_unless_bits_tell_them_apart() -> None:
    best = {"accuracy": 0.7, "bits_per_sequence": 2.0, "step": 4.0}
    assert better({"accuracy": 0.7}, {"step": 0.0}, "accuracy")
    assert better({"f1": 0.0}, {"step": 0.0}, "f1")
    assert better({"f1": 0.3, "accuracy": 0.1}, {"f1": 0.2, "accuracy": 0.9, "step": 4.0}, "f1")
    assert not better({"f1": 0.3, "accuracy": 0.1}, {"f1": 0.2, "accuracy": 0.9, "step": 4.0}, "accuracy")
    assert not better({"f1": 0.2}, {"f1": 0.2, "step": 4.0}, "f1")
    assert not better({"accuracy": 0.7}, {"accuracy": 0.7, "step": 4.0}, "accuracy")
    assert better({"accuracy": 0.7, "bits_per_sequence": 1.9}, best, "accuracy")
    assert not better({"accuracy": 0.7, "bits_per_sequence": 2.0}, best, "accuracy")
    assert better({"accuracy": 0.71, "bits_per_sequence": 3.0}, best, "accuracy")
    assert not better({"accuracy": 0.69, "bits_per_sequence": 1.0}, best, "accuracy")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.01 * LARGEST, -7.9e12])
def test_parameters_that_blew_up_are_not_saved(value: float, keeper: Keeper) -> None:
    keeper.save_last(3)
    spoil(keeper, value)
    for save in (lambda: keeper.save_last(4), lambda: keeper.check(4)):
        with pytest.raises(TrainingError, match=rf"step 4: encoder.*{keeper.last} holds good"):
            save()
    assert steps(keeper) == [3]


def test_parameters_of_any_usual_size_are_saved(keeper: Keeper) -> None:
    spoil(keeper, 0.99 * LARGEST)
    keeper.save_last(1)
    assert steps(keeper) == [1]


def test_a_buffer_may_be_large_but_not_infinite(make_mann: Callable[..., MANN]) -> None:
    learner = make_mann("keyvalue")
    margin = learner.memory.novelty_margin()
    assert margin is not None
    margin.fill_(1e9)
    assert fault_of(learner) is None
    margin.fill_(math.inf)
    assert "margin" in str(fault_of(learner))


def test_the_checkpoint_before_takes_the_place_of_one_whose_loss_is_not_finite(keeper: Keeper) -> None:
    for step in (0, 2, 4):
        keeper.save_last(step)
    assert steps(keeper) == [2, 4]
    keeper.refused(5)  # the parameters of step 4 gave a finite loss
    assert steps(keeper) == [2, 4]
    keeper.refused(4)
    assert steps(keeper) == [2]


def test_the_only_checkpoint_is_never_taken_away(keeper: Keeper) -> None:
    keeper.save_last(0)
    keeper.refused(0)
    assert steps(keeper) == [0]


def test_saving_a_step_twice_does_not_lose_the_one_before(keeper: Keeper) -> None:
    for step in (0, 2, 2):
        keeper.save_last(step)
    assert steps(keeper) == [0, 2]


def test_where_files_have_one_name_only_the_checkpoint_is_copied(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for step in (1, 2):
        keeper.save_last(step)
    assert steps(keeper) == [1, 2]


@pytest.mark.parametrize("scores", [{"accuracy": 0.9, "bits_per_sequence": math.nan}, {"accuracy": math.inf}])
def test_a_validation_that_is_not_finite_chooses_nothing(scores: dict[str, float], keeper: Keeper) -> None:
    keeper.save_last(0)
    with pytest.raises(TrainingError, match="validation at step 3"):
        keeper.judge(3, scores)
    assert not (keeper.last.parent / "best.pt").exists()


@pytest.mark.parametrize("what", ["run", "checkpoints", "run and made again"])
def test_nothing_is_written_where_the_directory_is_gone(what: str, keeper: Keeper) -> None:
    keeper.save_last(0)
    keeper.save_last(1)
    gone = keeper.last.parent if what == "checkpoints" else keeper.last.parent.parent
    shutil.rmtree(gone)
    if what == "run and made again":
        keeper.last.parent.mkdir(parents=True)
        (gone / "metrics.jsonl").touch()
    before = sorted(gone.parent.rglob("*"))
    for write in (lambda: keeper.save_last(2), lambda: keeper.judge(2, {"accuracy": 1.0})):
        with pytest.raises(TrainingError, match="was deleted"):
            write()
    assert sorted(gone.parent.rglob("*")) == before
