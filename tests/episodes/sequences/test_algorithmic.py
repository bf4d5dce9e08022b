"""Sequences say what their task says: read back from the inputs alone, step by step, the answers follow."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from metamann.episodes.episode import PADDING
from metamann.episodes.sequences.algorithmic import AssociativeRecall, Copy, Drawn, RepeatCopy, SequenceTask
from metamann.errors import EpisodeError

TASKS: dict[str, SequenceTask] = {
    "copy": Copy(),
    "copy short": Copy(lengths=3, width=2),
    "repeat_copy": RepeatCopy(),
    "repeat_copy once": RepeatCopy(lengths=2, repeats=1, width=3),
    "associative_recall": AssociativeRecall(),
    "associative_recall pairs": AssociativeRecall(items=2, vectors=1, width=20),
}


def drawn(task: SequenceTask, number: int = 60) -> list[Drawn]:
    return [task.draw(np.random.default_rng(seed)) for seed in range(number)]


def marks(inputs: np.ndarray, channel: int) -> list[int]:
    return [step for step, values in enumerate(inputs) if values[channel] != 0]


def answer_of(task: SequenceTask, inputs: np.ndarray) -> list[list[int]]:
    """What the inputs ask for, worked out from them."""
    if isinstance(task, Copy):
        (end,) = marks(inputs, task.width)
        return [list(step[: task.width]) for step in inputs[:end]]
    if isinstance(task, RepeatCopy):
        (end,) = marks(inputs, task.width)
        # mean and variance of a number drawn evenly from 1 to 10
        repeats = round(inputs[end, task.width + 1] * np.std(range(1, 11)) + np.mean(range(1, 11)))
        vectors = [[*step[: task.width], 0] for step in inputs[:end]]
        return vectors * repeats + [[0] * task.width + [1]]
    assert isinstance(task, AssociativeRecall)
    starts, (before, behind) = marks(inputs, task.width), marks(inputs, task.width + 1)
    items = [inputs[start + 1 : start + 1 + task.vectors, : task.width].tolist() for start in starts]
    assert starts == [k * (task.vectors + 1) for k in range(len(items))]
    assert before == len(items) * (task.vectors + 1)
    asked = inputs[before + 1 : behind, : task.width].tolist()
    return items[items.index(asked) + 1]


@pytest.mark.parametrize("name", TASKS)
def test_the_answer_is_what_the_inputs_ask_for_at_blank_steps_behind_them(name: str) -> None:
    task = TASKS[name]
    for inputs, answers in drawn(task):
        assert inputs.shape == (len(answers), task.channels)
        assert answers.shape == (len(inputs), task.bits)
        expected = np.array(answer_of(task, inputs))
        asked = len(expected)
        np.testing.assert_array_equal(answers[-asked:], expected)
        assert (answers[:-asked] == PADDING).all()
        assert (inputs[-asked:] == 0).all()
        # the last thing shown is a mark: nothing but marks and bits stands before it
        assert inputs[-asked - 1].any()
        assert np.isin(inputs[: -asked - 1], (0, 1)).all()


@pytest.mark.parametrize(
    ("task", "steps"),
    [
        (Copy([1, 4]), {2 * n + 1 for n in range(1, 5)}),
        (RepeatCopy([1, 3], 2), {n + 1 + 2 * n + 1 for n in range(1, 4)}),
        (RepeatCopy(2, [1, 3]), {2 + 1 + 2 * r + 1 for r in range(1, 4)}),
        (AssociativeRecall([2, 6]), {(n + 1) * 4 + 1 + 3 for n in range(2, 7)}),
    ],
)
def test_every_length_of_the_range_is_drawn(task: SequenceTask, steps: set[int]) -> None:
    assert {len(inputs) for inputs, _ in drawn(task, 100)} == steps


@pytest.mark.parametrize("task", [Copy(), RepeatCopy(), AssociativeRecall()])
def test_bits_are_even(task: SequenceTask) -> None:
    bits = np.concatenate([answers[answers[:, 0] != PADDING][0, :6] for _, answers in drawn(task, 400)])
    assert 0.47 < bits.mean() < 0.53


def test_every_item_but_the_last_is_asked_with() -> None:
    task = AssociativeRecall(items=4)
    asked = set()
    for inputs, _ in drawn(task, 100):
        (before, behind), starts = marks(inputs, 7), marks(inputs, 6)
        query = inputs[before + 1 : behind, :6].tolist()
        asked.add([inputs[start + 1 : start + 4, :6].tolist() for start in starts].index(query))
    assert asked == {0, 1, 2}


def test_a_number_of_repeats_is_shown_on_one_scale_whatever_the_range() -> None:
    def shown(repeats: Any) -> float:
        inputs = RepeatCopy(3, repeats).draw(np.random.default_rng(0)).inputs
        (end,) = marks(inputs, 8)
        return float(inputs[end, 9])

    np.testing.assert_allclose(np.diff([shown(repeats) for repeats in (9, 10, 11)]), 1 / np.sqrt(8.25), rtol=1e-5)
    assert shown([7, 7]) == shown(7)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (Copy(lengths=0), "lengths"),
        (Copy(lengths=[3, 2]), "lengths"),
        (Copy(width=0), "width"),
        (RepeatCopy(lengths=0), "lengths"),
        (RepeatCopy(repeats=[0, 2]), "repeats"),
        (RepeatCopy(width=-1), "width"),
        (AssociativeRecall(items=1), "items"),
        (AssociativeRecall(items=[1, 3]), "items"),
        (AssociativeRecall(vectors=0), "vectors"),
        (AssociativeRecall(width=0), "width"),
    ],
)
def test_settings_that_make_no_sequence_are_refused_by_name(task: SequenceTask, names: str) -> None:
    with pytest.raises(EpisodeError, match=rf"protocol\.{names}"):
        task.check()


@pytest.mark.parametrize("name", TASKS)
def test_a_description_holds_every_setting(name: str) -> None:
    task = TASKS[name]
    task.check()
    settings = dataclasses.asdict(task)
    described = task.describe()
    assert described.pop("name") == name.split()[0]
    assert described == {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
