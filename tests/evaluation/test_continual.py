"""Continual learning: the worked example of the measures, and learners that keep or lose what they were taught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode
from metamann.episodes.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.errors import EpisodeError
from metamann.evaluation.continual import accuracy_matrix, continual_scores, first_task_curve
from metamann.learners.mann import MANN

R = np.array([[[0.9, np.nan, np.nan], [0.95, 0.8, np.nan], [0.7, 0.75, 0.85]]])


def test_measures_on_the_worked_example() -> None:
    found = {name: float(values[0]) for name, values in continual_scores(R).items()}
    assert found["average_accuracy"] == pytest.approx(0.7667, abs=5e-5)
    assert found["backward_transfer"] == pytest.approx(-0.125)
    assert found["forgetting_avalanche"] == pytest.approx(0.125)
    assert found["forgetting"] == pytest.approx(0.15)
    assert first_task_curve(R).tolist() == [0.9, 0.95, 0.7]


def episodes(store: ClassStore, ways: int = 6) -> Episode:
    batch = Sampler(store, NWayKShot(ways=ways, shots=2, queries=3)).batch([0, 1, 2])
    assert isinstance(batch, Episode)
    return batch


def test_the_last_row_is_what_all_classes_at_once_give(store: ClassStore, make_mann: Callable[..., MANN]) -> None:
    learner, episode = make_mann("keyvalue", ways=6).eval(), episodes(store)
    matrix = accuracy_matrix(learner, episode, tasks=3)
    assert matrix.shape == (3, 3, 3)
    assert torch.equal(matrix.isnan(), torch.ones(3, 3, dtype=torch.bool).triu(1).expand(3, 3, 3))
    with torch.no_grad():
        right = learner(episode).argmax(-1) == episode.query.labels
    for task in range(3):
        of_task = episode.query.labels // 2 == task
        assert torch.allclose(matrix[:, 2, task], (right & of_task).sum(1) / of_task.sum(1))


def test_a_memory_too_small_forgets_the_oldest(store: ClassStore, make_mann: Callable[..., MANN]) -> None:
    episode = episodes(store)
    large, small = (make_mann("keyvalue_bounded", ways=6, slots=slots).eval() for slots in (12, 4))
    kept = accuracy_matrix(large, episode, 3)
    lost = accuracy_matrix(small, episode, 3)
    assert torch.equal(kept[:, 0, 0], lost[:, 0, 0])
    # what is not in the memory any more is never answered
    assert not lost[:, 2, 0].any()


def test_classes_that_cannot_be_dealt_evenly_are_refused(store: ClassStore, make_mann: Callable[..., Any]) -> None:
    with pytest.raises(EpisodeError, match="6 classes cannot be dealt evenly to 4 tasks"):
        accuracy_matrix(make_mann("keyvalue", ways=6), episodes(store), 4)
