"""The majority answer: shares of the labels that were shown, O for sentences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from toy_words import ToyEncoder, toy_store

from metamann.data.store import ClassStore
from metamann.episodes.episode import Classes, Episode, Examples, Stream
from metamann.episodes.items.protocols import NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.learners.adapters.majority import Majority
from metamann.learners.mann import MANN
from metamann.memory.pairs.prototypes import PrototypeMemory


@pytest.fixture
def learner(make_mann: Callable[..., MANN]) -> Majority:
    sound = make_mann("prototypes")
    return Majority(sound)


def test_shares_of_what_was_shown(learner: Majority) -> None:
    images = torch.zeros(1, 4, 1, 16, 16, dtype=torch.uint8)
    state = learner.adapt(Examples(images, torch.tensor([[2, 2, 0, -100]])), Classes.one_hot(1, 3))
    found = learner.predict(state, images[:, :2]).exp()
    # counts 1, 0, 2, one of each added
    assert torch.allclose(found, torch.tensor([2 / 6, 1 / 6, 3 / 6]).expand(1, 2, 3))


def test_it_has_no_parameters_and_the_checkpoint_of_the_learner(make_mann: Callable[..., MANN]) -> None:
    sound = make_mann("lrua")
    majority = Majority(sound)
    assert sum(parameter.numel() for parameter in majority.parameters()) == 0
    majority.load_state_dict(sound.state_dict())
    assert majority.state_dict().keys() == sound.state_dict().keys()


def test_even_supports_leave_chance(learner: Majority, store: ClassStore) -> None:
    batch = Sampler(store, NWayKShot(ways=5, shots=3, queries=2)).batch([0, 1])
    assert isinstance(batch, Episode)
    assert torch.allclose(learner(batch).exp(), torch.full((2, 10, 5), 0.2))


def test_a_stream_is_answered_from_the_labels_before(learner: Majority, store: ClassStore) -> None:
    stream = Sampler(store, OnlineStream(ways=3, steps=12)).batch([0])
    assert isinstance(stream, Stream)
    answers = learner.stream(stream)
    for step in range(12):
        counts = torch.bincount(stream.labels[0, :step], minlength=3) + 1.0
        assert torch.allclose(answers[0, step].exp(), counts / counts.sum())


def test_sentences_are_all_outside() -> None:
    encoder = ToyEncoder()
    learner = Majority(MANN(encoder, PrototypeMemory(encoder.features, 4), 4))
    batch = Sampler(toy_store(), GreedySentences(ways=3, shots=1)).batch([0, 1])
    assert learner(batch).shape == (*batch.query.labels.shape, 4)
    assert not learner(batch).argmax(-1).any()
