"""The experiment without a reset: it carries exactly what the stream before left, and mixes nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.episode import Stream
from metamann.episodes.items.protocols import OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.errors import ConfigError
from metamann.learners.adapters.carried import Carried
from metamann.learners.mann import MANN
from metamann.memory.controlled.lrua.lrua import LRUAMemory
from metamann.memory.pairs.keyvalue import KeyValueMemory

TINY = {"item_width": 4, "slots": 6, "width": 4, "heads": 2, "hidden": 5}


def learner(**options: object) -> Carried:
    torch.manual_seed(0)
    encoder = ConvEncoder(size=16, channels=4)
    return Carried(MANN(encoder, LRUAMemory(encoder.features, 5, **TINY), 5), **options)


@pytest.fixture
def streams(store: ClassStore) -> tuple[Stream, Stream, Stream]:
    sampler = Sampler(store, OnlineStream(ways=5, steps=8))
    first, second, third = sampler.batch([0, 1]), sampler.batch([2, 3]), sampler.batch([4, 5, 6])
    assert isinstance(first, Stream)
    assert isinstance(second, Stream)
    assert isinstance(third, Stream)
    return first, second, third


def joined(first: Stream, second: Stream) -> Stream:
    return Stream(
        torch.cat([first.inputs, second.inputs], 1), torch.cat([first.labels, second.labels], 1), first.classes
    )


def test_never_goes_on_where_the_stream_before_ended(streams: tuple[Stream, ...]) -> None:
    carried = learner().eval()
    carried.stream(streams[0])
    answers = carried.stream(streams[1])
    at_once = carried.learner.stream(joined(streams[0], streams[1]))[:, 8:]
    torch.testing.assert_close(answers, at_once)
    assert not torch.allclose(answers, carried.learner.stream(streams[1]))


def test_the_adapter_on_features_carries_on_the_same(streams: tuple[Stream, ...]) -> None:
    carried, whole = learner().eval(), learner().eval()
    whole.stream(streams[0])
    features = [stream._replace(inputs=carried.encode(stream.inputs)) for stream in streams]
    carried.on_features().stream(features[0])
    assert torch.equal(carried.on_features().stream(features[1]), whole.stream(streams[1]))


def test_it_is_trained_as_the_learner_inside(streams: tuple[Stream, ...]) -> None:
    carried = learner()
    names = dict(carried.learner.named_parameters())
    assert carried.trainable
    assert dict(carried.named_parameters()).keys() == names.keys()
    carried.loss(streams[0]).total.backward()
    assert any(parameter.grad is not None for parameter in names.values())


def test_decay_weakens_what_is_carried(streams: tuple[Stream, ...]) -> None:
    gone, weak, whole = (learner(reset="decay", decay=decay).eval() for decay in (0.0, 0.5, 1.0))
    for each in (gone, weak, whole):
        each.stream(streams[0])
    kept = weak.carried.memory * 0.5
    torch.testing.assert_close(weak._start(2, 5, torch.zeros(1)).memory, kept)
    torch.testing.assert_close(gone.stream(streams[1]), gone.learner.stream(streams[1]))
    never = learner().eval()
    never.stream(streams[0])
    torch.testing.assert_close(whole.stream(streams[1]), never.stream(streams[1]))


def test_a_change_of_mode_is_a_fresh_start(streams: tuple[Stream, ...]) -> None:
    carried = learner()
    carried.stream(streams[0])
    carried.eval()
    torch.testing.assert_close(carried.stream(streams[1]), carried.learner.stream(streams[1]))


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)])
def test_batches_may_change_their_size(streams: tuple[Stream, ...], before: int, after: int) -> None:
    carried = learner().eval()
    carried.stream(streams[before])
    kept = carried.carried.memory
    start = carried._start(len(streams[after].labels), 5, torch.zeros(1)).memory
    rows = min(len(kept), len(start))
    assert torch.equal(start[:rows], kept[:rows])
    assert not start[rows:].any()


def test_no_gradient_crosses_the_border_of_two_streams(streams: tuple[Stream, ...]) -> None:
    carried = learner()
    carried.stream(streams[0])
    assert not any(tensor.requires_grad for tensor in carried.carried)


def test_a_memory_that_grows_is_refused(streams: tuple[Stream, ...], make_mann: Callable[..., MANN]) -> None:
    encoder = ConvEncoder(size=16, channels=4)
    with pytest.raises(ConfigError, match="fixed size"):
        Carried(MANN(encoder, KeyValueMemory(encoder.features, 5), 5)).stream(streams[0])


@pytest.mark.parametrize(("options", "named"), [({"reset": "episode"}, "reset=episode"), ({"decay": 1.5}, "decay=1.5")])
def test_bad_options_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        learner(**options)
