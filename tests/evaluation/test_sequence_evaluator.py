"""Scores of sequences, of learners whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import Copy, RepeatCopy
from metamann.episodes.sequences.source import RandomBits, Sequences
from metamann.episodes.tasks import TaskList
from metamann.evaluation.sequence_evaluator import SequenceEvaluator

TASK = Copy([1, 5], width=3)
CPU = torch.device("cpu")


class Told(nn.Module):
    """Knows the answers: gives them this probability, but for so many wrong ones at the start of each answer."""

    def __init__(self, probability: float, wrong: int = 0) -> None:
        super().__init__()
        self.probability, self.wrong, self.batches = probability, wrong, 0

    def forward(self, sequences: Sequences) -> Tensor:
        """Log-probabilities; those of bits that nobody asks for are certain, and must not count."""
        self.batches += 1
        targets = sequences.targets
        asked = targets != PADDING
        answer = torch.where(asked & (asked.cumsum(1) <= self.wrong), 1 - targets, targets)
        ones = torch.where(answer == 1, self.probability, 1 - self.probability).where(asked, torch.tensor(1.0))
        return torch.stack([1 - ones, ones], -1).log()


def scores(
    learner: nn.Module, task: Copy | RepeatCopy = TASK, number: int = 12, steps: int = 4000
) -> dict[str, np.ndarray]:
    sampler = Sampler(RandomBits("test"), task)
    return SequenceEvaluator("random bits", "test", sampler, TaskList.draw(sampler, number), CPU, "fp32", steps).scores(
        learner
    )


def bits_asked(task: Copy | RepeatCopy = TASK, number: int = 12) -> np.ndarray:
    """Bits of each answer, counted in the steps."""
    drawn = [Sampler(RandomBits("test"), task).batch([index]) for index in range(number)]
    return np.array([task.bits * sum(step[0].item() >= 0 for step in each.answers[0]) for each in drawn])


@pytest.mark.parametrize("task", [TASK, RepeatCopy([1, 3], [1, 4])])
def test_bits_per_sequence_are_those_of_the_whole_answer(task: Copy | RepeatCopy) -> None:
    found = scores(Told(0.9), task)
    np.testing.assert_allclose(found["bits_per_sequence"], -bits_asked(task) * math.log2(0.9), rtol=1e-5)
    assert (found["accuracy"] == np.ones(12)).all()
    assert (found["sequences_right"] == np.ones(12)).all()


def test_one_wrong_bit_makes_a_sequence_wrong() -> None:
    found = scores(Told(0.9, wrong=1))
    np.testing.assert_allclose(found["accuracy"], 1 - 1 / bits_asked(), rtol=1e-6)
    assert not np.any(found["sequences_right"])
    expected = -(bits_asked() - 1) * math.log2(0.9) - math.log2(0.1)
    np.testing.assert_allclose(found["bits_per_sequence"], expected, rtol=1e-5)


def test_the_size_of_a_batch_changes_no_score() -> None:
    one_by_one, together = Told(0.8, wrong=2), Told(0.8, wrong=2)
    few, all_at_once = scores(one_by_one, steps=1), scores(together)
    assert (one_by_one.batches, together.batches) == (12, 1)
    for name, values in all_at_once.items():
        np.testing.assert_allclose(few[name], values, rtol=1e-5)


def test_the_description_names_split_and_task() -> None:
    sampler = Sampler(RandomBits("val"), TASK)
    evaluator = SequenceEvaluator("random bits", "val", sampler, TaskList.draw(sampler, 3), CPU, "fp32", 4000)
    assert evaluator.describe().items() >= {"split": "val", "name": "copy", "lengths": [1, 5], "width": 3}.items()
    assert evaluator.title == "copy, val, 3 sequences"
