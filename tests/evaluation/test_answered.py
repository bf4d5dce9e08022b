"""What is scored is what a learner answers, not the most probable class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from metamann.data.store import ClassStore
from metamann.episodes.episode import Classes, Episode, Examples
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.evaluation.continual import accuracy_matrix
from metamann.evaluation.metrics import score_episodes
from metamann.learners.learner import Learner


class AnswersFirst(Learner[Any]):
    """Finds the last class the most probable, and answers the first."""

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """Keep how many classes there are."""
        return (classes.codes.shape[1],)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """All on the last class."""
        log_probs = torch.full((*inputs.shape[:2], state[0]), -torch.inf)
        log_probs[..., -1] = 0
        return log_probs

    def answer(self, state: Any, inputs: Any) -> Tensor:
        """The first class, whatever is asked."""
        return torch.zeros(inputs.shape[:2], dtype=torch.long)


def episode_of(store: ClassStore) -> Episode:
    """Four classes, two queries of each."""
    episode = Sampler(store, NWayKShot(ways=4, shots=1, queries=2)).batch(range(3))
    assert isinstance(episode, Episode)
    return episode


def test_scores_are_of_the_answers(store: ClassStore) -> None:
    episode = episode_of(store)
    scores = score_episodes(AnswersFirst(), [episode], torch.device("cpu"), "fp32")
    expected = (episode.query.labels == 0).float().mean(1)
    np.testing.assert_allclose(scores["accuracy"], expected)


def test_continual_accuracy_is_of_the_answers(store: ClassStore) -> None:
    matrix = accuracy_matrix(AnswersFirst(), episode_of(store), 2)
    assert matrix[:, 1].tolist() == [[0.5, 0.0]] * 3
