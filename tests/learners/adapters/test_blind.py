"""Without its reads a learner knows what its controller remembers, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.episode import Stream
from metamann.episodes.items.protocols import OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.learners.adapters.blind import Blind
from metamann.learners.mann import MANN

WITH_CONTROLLER = ("additive", "dnc", "lrua", "ntm")
WITHOUT_CONTROLLER = ("delta", "keyvalue", "keyvalue_usage", "ntm_input")


@pytest.fixture
def stream(store: ClassStore) -> Stream:
    streams = Sampler(store, OnlineStream(ways=5, steps=8)).batch([0, 1])
    assert isinstance(streams, Stream)
    return streams


def blind(sighted: MANN) -> Blind:
    learner = Blind(MANN(ConvEncoder(size=16, channels=4), sighted.memory, 5))
    learner.load_state_dict(sighted.state_dict())
    return learner.eval()


def changed_early(stream: Stream) -> Stream:
    """Another first item and another label of it."""
    inputs, labels = stream.inputs.clone(), stream.labels.clone()
    inputs[:, 0] = 255 - inputs[:, 0]
    labels[:, 0] = (labels[:, 0] + 1) % 5
    return stream._replace(inputs=inputs, labels=labels)


@pytest.mark.parametrize("kind", WITH_CONTROLLER)
def test_a_controller_without_memory_of_its_own_sees_nothing_older_than_the_label_it_is_told(
    kind: str, make_mann: Callable[..., MANN], stream: Stream
) -> None:
    sighted = make_mann(kind, controller="feedforward").eval()
    with torch.no_grad():
        torch.nn.init.normal_(sighted.head.to_code.weight)
        for learner, same in ((sighted, False), (blind(sighted), True)):
            before, after = (learner.stream(each)[:, 2:] for each in (stream, changed_early(stream)))
            assert torch.equal(before, after) is same


@pytest.mark.parametrize("kind", WITHOUT_CONTROLLER)
def test_without_a_controller_every_step_is_answered_alike(
    kind: str, make_mann: Callable[..., MANN], stream: Stream
) -> None:
    sighted = make_mann(kind).eval()
    with torch.no_grad():
        answers, seen = blind(sighted).stream(stream), sighted.stream(stream)
    assert torch.equal(answers, answers[:, :1].expand_as(answers))
    assert not torch.allclose(seen, seen[:, :1].expand_as(seen))


def test_the_controller_alone_loses_nothing(make_mann: Callable[..., MANN], stream: Stream) -> None:
    sighted = make_mann("none").eval()
    with torch.no_grad():
        torch.testing.assert_close(blind(sighted).stream(stream), sighted.stream(stream))


def test_queries_of_an_episode_are_answered_with_the_memory(make_mann: Callable[..., MANN], stream: Stream) -> None:
    sighted = make_mann("lrua").eval()
    with torch.no_grad():
        expected, answered = (
            each.predict(each.adapt(stream, stream.classes), stream.inputs) for each in (sighted, blind(sighted))
        )
    torch.testing.assert_close(answered, expected)
