"""A memory alone on sequences: bits in, log-probabilities of bits out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import AssociativeRecall, Copy
from metamann.episodes.sequences.source import RandomBits, Sequences
from metamann.errors import ConfigError
from metamann.learners.sequence import SequenceLearner
from metamann.memory.controlled.dnc import DNCMemory
from metamann.memory.controlled.lrua.lrua import LRUAMemory
from metamann.memory.controlled.none import ControllerOnly
from metamann.memory.controlled.ntm import NTMMemory
from metamann.memory.interface import Memory

TASK = Copy([1, 4], width=3)
SIZE: dict[str, Any] = {"item_width": None, "slots": 6, "width": 4, "heads": 1, "hidden": 8, "shortcut": False}
MEMORIES: dict[str, tuple[type[Memory[Any]], dict[str, Any]]] = {
    "dnc": (DNCMemory, SIZE),
    "lrua": (LRUAMemory, SIZE),
    "none": (ControllerOnly, {"item_width": None, "hidden": 8}),
    "ntm": (NTMMemory, SIZE),
}


def make(kind: str) -> SequenceLearner:
    torch.manual_seed(0)
    cls, options = MEMORIES[kind]
    return SequenceLearner(cls(TASK.channels, 0, **options), TASK.bits)


@pytest.fixture(params=sorted(MEMORIES))
def learner(request: pytest.FixtureRequest) -> SequenceLearner:
    return make(request.param)


@pytest.fixture
def sequences() -> Sequences:
    return Sampler(RandomBits("train"), TASK).batch(range(5))


def test_every_bit_of_every_step_has_its_two_probabilities(learner: SequenceLearner, sequences: Sequences) -> None:
    log_probs = learner(sequences)
    assert log_probs.shape == (*sequences.targets.shape, 2)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(sequences.targets.shape))


@torch.no_grad()
def test_an_answer_does_not_depend_on_the_batch_or_its_padding(learner: SequenceLearner, sequences: Sequences) -> None:
    together = learner.double()(sequences._replace(inputs=sequences.inputs.double()))
    for row in range(5):
        alone = Sampler(RandomBits("train"), TASK).batch([row])
        expected = learner(alone._replace(inputs=alone.inputs.double()))
        torch.testing.assert_close(together[row : row + 1, : expected.shape[1]], expected)


def test_a_trace_has_a_row_of_weights_for_every_step(learner: SequenceLearner, sequences: Sequences) -> None:
    weights = learner.trace(sequences).read_weights
    assert (len(weights), weights.shape[2]) == sequences.mask.shape
    real = weights.transpose(1, 2)[sequences.mask]
    # a head of the DNC may read nothing
    assert (real.sum(-1) <= 1 + 1e-5).all()


def test_two_sequences_can_be_learned_by_heart() -> None:
    learner = make("lrua")
    batch = Sampler(RandomBits("train"), TASK).batch([0, 1])
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.03)
    losses = []
    for _ in range(60):
        loss = F.nll_loss(learner(batch).flatten(0, 1), batch.targets.flatten(), ignore_index=PADDING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_answers_may_be_narrower_than_inputs() -> None:
    task = AssociativeRecall([2, 3], vectors=1, width=2)
    learner = SequenceLearner(ControllerOnly(task.channels, 0, item_width=None, hidden=4), task.bits)
    batch = Sampler(RandomBits("train"), task).batch(range(3))
    assert learner(batch).shape == (3, batch.mask.shape[1] * 2, 2)


def test_a_memory_that_reads_nothing_but_labels_is_refused(make_memory: Callable[..., Memory[Any]]) -> None:
    with pytest.raises(ConfigError, match="memory=ntm"):
        SequenceLearner(make_memory("keyvalue"), 3)
