"""What samplers and protocols answer of themselves, whatever they deal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from toy_sentences import random_episodes, random_store

from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.supervised import Supervised
from metamann.errors import ConfigError

WIDE = LabelCodes("random", 64)


@pytest.mark.parametrize(
    ("protocol", "width"),
    [
        (OnlineStream(ways=[2, 5]), 5), (NWayKShot(ways=5, codes=WIDE), 64),
        (GreedySentences(ways=[2, 4], scheme="bio"), 9), (GreedySentences(ways=4), 5),
        (GreedySentences(codes=WIDE), 64), (FixedSentences(codes=WIDE), 64), (Supervised(types=["a", "b"]), 5),
    ],
)  # fmt: skip
def test_label_codes_are_as_wide_as_the_protocol_says(protocol: Any, width: int) -> None:
    assert protocol.code_width() == width


def test_published_episodes_need_a_width() -> None:
    with pytest.raises(ConfigError, match=r"protocol\.codes\.width"):
        FixedSentences().code_width()


def test_only_supervised_sentences_take_the_types_of_the_training_part() -> None:
    assert Supervised().with_types(["b", "a"]) == Supervised(types=("b", "a"))
    for protocol in (Supervised(types=["c"]), GreedySentences(), FixedSentences()):
        assert protocol.with_types(["b", "a"]) is protocol


def test_what_an_episode_writes_is_counted(store: ClassStore) -> None:
    sentences = random_store()
    assert Sampler(store, NWayKShot(ways=[2, 4], shots=[1, 3], queries=1)).loads() == [(4, "classes"), (12, "items")]
    assert Sampler(store, OnlineStream(ways=3, steps=9)).loads() == [(3, "classes"), (9, "items")]
    assert Sampler(sentences, GreedySentences(ways=3)).loads() == [(3, "classes")]
    assert Sampler(sentences, Supervised(types=sentences.types)).loads() == []


def test_class_numbers_stand_for_classes_of_the_store(store: ClassStore) -> None:
    sampler = Sampler(store, OnlineStream(ways=4, steps=8))
    plan, numbers = sampler.plan(3), sampler.class_ids(3)
    assert [store.class_of(int(row)) for row in plan.items] == [numbers[label] for label in plan.labels]
    tagged = Sampler(random_episodes(7), FixedSentences())
    assert np.array_equal(tagged.class_ids(2), tagged.plan(2).types)


@pytest.mark.parametrize("shape", [(), (5,), (2, 7)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.int16])
def test_items_are_of_any_shape_and_kind(
    make_store: Callable[..., ClassStore], shape: tuple[int, ...], kind: torch.dtype
) -> None:
    parts = [torch.randn(6, *shape).to(kind) for _ in range(4)]
    store = ClassStore.from_classes("rows", parts, list("abcd"), [""] * 4, turnable=False)
    sampler = Sampler(store, NWayKShot(ways=3, shots=2, queries=1))
    episode = sampler.batch([0, 1])
    assert episode.support.inputs.shape == (2, 6, *shape)
    assert episode.query.inputs.dtype == kind
    assert torch.equal(episode.support.inputs[1, 0], store.items[int(sampler.plan(1).items[0])])
