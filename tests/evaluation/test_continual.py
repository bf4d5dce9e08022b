"""Continual learning: the worked example of the measures, and learners that keep or lose what they were taught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from toy_words import ToyEncoder, toy_store, train

from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode
from metamann.episodes.items.protocols import LabelCodes, NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.errors import EpisodeError
from metamann.evaluation.continual import accuracy_matrix, continual_scores, f1_matrix, first_task_curve
from metamann.evaluation.spans import count_spans, span_scores
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.prototypes import PrototypeMemory

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


@pytest.mark.parametrize("scheme", ["io", "bio"])
def test_types_of_entities_arrive_task_by_task(scheme: Any) -> None:
    torch.manual_seed(0)
    encoder, codes = ToyEncoder(), LabelCodes("random", 12)
    protocol = GreedySentences(ways=4, shots=2, scheme=scheme, codes=codes)
    sampler = Sampler(toy_store(), protocol, 1)
    learner = train(SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12, scheme), sampler)
    matrices = torch.cat([f1_matrix(learner, sampler.batch([index]), 2, scheme) for index in range(12)]).numpy()
    assert matrices.shape == (12, 2, 2)
    assert np.isnan(matrices[:, 0, 1]).all()
    found = {name: float(np.nanmean(values)) for name, values in continual_scores(matrices).items()}
    assert found["average_accuracy"] > 0.6
    assert found["backward_transfer"] > -0.3


def test_one_task_of_sentences_is_the_episode_itself() -> None:
    torch.manual_seed(0)
    encoder, codes = ToyEncoder(), LabelCodes("random", 12)
    sampler = Sampler(toy_store(), GreedySentences(ways=4, shots=2, scheme="io", codes=codes), 1)
    learner = train(SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12, "io"), sampler)
    episode = sampler.batch([3])
    with torch.no_grad():
        answers = learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)
    expected = span_scores(count_spans(answers, episode.query.labels, "io")[0], "io")["f1"]
    assert f1_matrix(learner, episode, 1, "io").item() == pytest.approx(float(expected))


@pytest.mark.parametrize("scheme", ["io", "bio"])
def test_names_of_types_arrive_with_their_types(scheme: Any) -> None:
    encoder, codes = ToyEncoder(), LabelCodes("random", 12)
    episode = Sampler(toy_store(), GreedySentences(ways=4, shots=1, scheme=scheme, codes=codes)).batch([0])
    learner = SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12, scheme, label_names=True).eval()
    assert f1_matrix(learner, episode, 4, scheme).shape == (1, 4, 4)


def test_types_that_cannot_be_dealt_evenly_are_refused() -> None:
    encoder = ToyEncoder()
    episode = Sampler(toy_store(), GreedySentences(ways=3, shots=1, scheme="io")).batch([0])
    with pytest.raises(EpisodeError, match="3 types cannot be dealt evenly to 2 tasks"):
        f1_matrix(MANN(encoder, PrototypeMemory(encoder.features, 7), 7), episode, 2, "io")
