"""Episode i is a pure function of (data, protocol, seed, i)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metamann.data.store import ClassStore
from metamann.episodes.episode import PADDING, Episode, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.items.source import Plan
from metamann.episodes.sampler import Sampler
from metamann.errors import ConfigError

PROTOCOLS: dict[str, EpisodeProtocol] = {
    "nway": NWayKShot(ways=[2, 5], shots=[1, 2], queries=3, codes=LabelCodes("random", 4)),
    "stream": OnlineStream(ways=[2, 5], steps=10, codes=LabelCodes("random", 4)),
}


@pytest.fixture(params=sorted(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> EpisodeProtocol:
    return PROTOCOLS[request.param]


def tensors(episodes: Episode | Stream) -> list[Tensor]:
    parts = [episodes] if isinstance(episodes, Stream) else [episodes.support, episodes.query]
    return [*(tensor for part in parts for tensor in part[:2]), *episodes.classes[:2]]


def same(one: Episode | Stream, other: Episode | Stream) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


@settings(deadline=None, max_examples=15)
@given(indices=st.lists(st.integers(0, 10**6), min_size=1, max_size=6), name=st.sampled_from(sorted(PROTOCOLS)))
def test_an_episode_is_the_same_in_any_batch(store: ClassStore, indices: list[int], name: str) -> None:
    sampler = Sampler(store, PROTOCOLS[name], seed=3)
    together = tensors(sampler.batch(indices))
    for position, index in enumerate(indices):
        alone = tensors(Sampler(store, PROTOCOLS[name], seed=3).batch([index]))
        assert all(torch.equal(one[0], many[position]) for one, many in zip(alone, together, strict=True))


def test_order_of_asking_does_not_matter(store: ClassStore, protocol: EpisodeProtocol) -> None:
    sampler = Sampler(store, protocol)
    forwards = [sampler.batch([index]) for index in range(8)]
    np.random.seed(0)
    torch.manual_seed(0)
    backwards = [sampler.batch([index]) for index in reversed(range(8))][::-1]
    assert all(same(one, other) for one, other in zip(forwards, backwards, strict=True))


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_deals_the_same_batches_in_order(
    store: ClassStore, protocol: EpisodeProtocol, workers: int
) -> None:
    sampler = Sampler(store, protocol)
    indices = [range(start, start + 3) for start in range(0, 60, 3)]
    dealt = list(sampler.batches(indices, workers))
    assert len(dealt) == len(indices)
    assert all(same(batch, sampler.batch(each)) for batch, each in zip(dealt, indices, strict=True))


def test_batches_can_be_left_halfway(store: ClassStore, protocol: EpisodeProtocol) -> None:
    sampler = Sampler(store, protocol)
    batches = sampler.batches([[index] for index in range(1000)], workers=2)
    assert same(next(batches), sampler.batch([0]))
    batches.close()  # type: ignore[attr-defined]  # a generator


def test_indices_give_different_episodes(store: ClassStore, protocol: EpisodeProtocol) -> None:
    sampler = Sampler(store, protocol)
    plans = {(plan.items.tobytes(), plan.labels.tobytes()) for plan in map(sampler.plan, range(100))}
    assert len(plans) == 100


@pytest.mark.parametrize("what", ["seed", "protocol", "pixels", "names"])
def test_another_seed_protocol_or_data_gives_other_episodes(
    store: ClassStore, protocol: EpisodeProtocol, what: str
) -> None:
    other_store, other_protocol = store, protocol
    if what == "protocol":
        # as many positions and classes: only the name of the setting differs
        other_protocol = dataclasses.replace(protocol, within_group=True)  # type: ignore[type-var]
    if what == "pixels":
        items = store.items.clone()
        items[0, 0, 0, 0] ^= 1
        other_store = dataclasses.replace(store, items=items)
    if what == "names":
        other_store = dataclasses.replace(store, class_names=tuple(reversed(store.class_names)))
    one = Sampler(store, protocol)
    other = Sampler(other_store, other_protocol, seed=int(what == "seed"))
    same_plans = [np.array_equal(one.plan(index).items, other.plan(index).items) for index in range(20)]
    assert not any(same_plans)


def test_an_equal_store_and_protocol_give_the_same_episodes(make_store: Callable[..., ClassStore]) -> None:
    one = Sampler(make_store(), NWayKShot(ways=3, shots=1, queries=1))
    other = Sampler(make_store(), NWayKShot(ways=3, shots=1, queries=1))
    assert same(one.batch(range(4)), other.batch(range(4)))


def test_fetched_pixels_are_those_of_the_plan(store: ClassStore, protocol: EpisodeProtocol) -> None:
    sampler = Sampler(store, protocol)
    plans = [sampler.plan(index) for index in range(5)]
    codes = [sampler.codes(index) for index in range(5)]
    episodes = sampler.fetch(plans, codes)
    if isinstance(episodes, Stream):
        inputs, labels = episodes.inputs, episodes.labels
    else:
        assert episodes.support.inputs.shape[1] == protocol.support_size
        inputs = torch.cat([episodes.support.inputs, episodes.query.inputs], 1)
        labels = torch.cat([episodes.support.labels, episodes.query.labels], 1)
    assert inputs.dtype == torch.uint8
    for episode, plan in enumerate(plans):
        assert labels[episode].tolist() == plan.labels.tolist()
        assert int(episodes.classes.ways[episode]) == plan.n_classes
        np.testing.assert_array_equal(episodes.classes.codes[episode], codes[episode])
        for position, item in enumerate(plan.items):
            assert torch.equal(inputs[episode, position], store.items[int(item)])


def test_episodes_of_a_batch_have_classes_and_numbers_of_their_own(
    store: ClassStore, protocol: EpisodeProtocol
) -> None:
    sampler = Sampler(store, protocol)
    maps = []
    for plan in map(sampler.plan, range(32)):
        class_of = np.searchsorted(store.first_item, plan.items, side="right") - 1
        real = plan.labels != PADDING
        maps.append(tuple(sorted(set(zip(plan.labels[real].tolist(), class_of[real].tolist(), strict=True)))))
    assert len(set(maps)) > 28


class Undescribed(OnlineStream):
    """Its description leaves the codes out, so that only the drawing of codes itself could move an item."""

    def describe(self) -> dict[str, object]:
        return {"name": "undescribed"}


def test_codes_do_not_alter_items(store: ClassStore) -> None:
    one, other = (
        Sampler(store, Undescribed(ways=4, steps=12, codes=codes)) for codes in (LabelCodes(), LabelCodes("random", 9))
    )
    for index in range(10):
        assert one.codes(index).shape != other.codes(index).shape
        assert np.array_equal(one.plan(index).items, other.plan(index).items)
        assert np.array_equal(one.plan(index).labels, other.plan(index).labels)


class Raw(LabelCodes):
    """Shows the numbers that codes are made of."""

    def draw(self, classes: int, rng: np.random.Generator) -> np.ndarray:
        return rng.random(classes)


class RawItems(Undescribed):
    """Shows the numbers that items are chosen by."""

    def draw(self, store: ClassStore, index: int, rng: np.random.Generator) -> Plan:
        return Plan(rng.random(4), np.arange(4), 4)


def test_codes_and_items_are_drawn_from_different_numbers(store: ClassStore) -> None:
    sampler = Sampler(store, RawItems(ways=4, steps=4, codes=Raw()))
    assert not np.isclose(sampler.plan(5).items, sampler.codes(5)).any()


def test_codes_are_fresh_for_every_episode(store: ClassStore, protocol: EpisodeProtocol) -> None:
    sampler = Sampler(store, protocol)
    assert len({sampler.codes(index).tobytes() for index in range(50)}) == 50
    assert np.array_equal(sampler.codes(3), sampler.codes(3))


def test_a_seed_below_zero_is_refused_at_start(store: ClassStore) -> None:
    with pytest.raises(ConfigError, match="-1"):
        Sampler(store, OnlineStream(ways=2, steps=4), seed=-1)
