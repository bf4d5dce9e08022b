"""An evaluation on toy words, and a learner to be evaluated."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from toy_words import ToyEncoder, toy_store

from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.tasks import TaskList
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.learners.mann import MANN
from metamann.memory.pairs.nearest import NearestMemory

MakeEvaluator = Callable[..., SentenceEvaluator]


@pytest.fixture
def evaluator() -> MakeEvaluator:
    """Makes one: 3-way 1-shot, in batches of so many sentences."""
    store = toy_store()

    def make(at_once: int = 400, episodes: int = 12) -> SentenceEvaluator:
        sampler = Sampler(store, GreedySentences(ways=3, shots=1), seed=0)
        tasks = TaskList.draw(sampler, episodes)
        return SentenceEvaluator("toy", "test", sampler, tasks, torch.device("cpu"), "fp32", at_once)

    return make


@pytest.fixture
def learner() -> MANN:
    """Untrained."""
    torch.manual_seed(0)
    encoder = ToyEncoder()
    return MANN(encoder, NearestMemory(encoder.features, 4), 4)
