"""Hashes of task lists stay what they were: whoever published one finds the same tasks."""

from __future__ import annotations

from collections.abc import Callable

from toy_sentences import random_store

from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sequences.algorithmic import Copy
from metamann.episodes.sequences.source import RandomBits
from metamann.episodes.tasks import TaskList


def test_hashes_of_items(make_store: Callable[..., ClassStore]) -> None:
    store = make_store()
    found = [
        TaskList.draw(Sampler(store, protocol, 5), 7).hash
        for protocol in (NWayKShot(queries=3), OnlineStream(ways=4, steps=20))
    ]
    assert found == [
        "7840a1cfff20b1b031b7f30a67352c85b29aa997a997e650d1de1fd7fce02e86",
        "f62ecaa7261ff91006858df31d0148e214c7481d9d9461682f74cf51bbb9b35b",
    ]


def test_hash_of_sentences() -> None:
    sampler = Sampler(random_store(), GreedySentences(ways=2, shots=1), 5)
    assert TaskList.draw(sampler, 7).hash == "3e699d48998a9ad7f7b5d5c3385b030b9a0dbe7f6386a8173392daf689208915"


def test_hash_of_sequences() -> None:
    assert (
        TaskList.draw(Sampler(RandomBits("val"), Copy(6), 5), 7).hash
        == "0dccf29887f3da2a0ea9c8ebeced0562efa2ecca5187d8566b5fb29031d73bc1"
    )
