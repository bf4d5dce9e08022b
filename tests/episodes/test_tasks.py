"""Task lists of any episodes: the same after a round trip, nothing but task lists, nothing for another evaluation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
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
from metamann.episodes.sequences.algorithmic import Copy
from metamann.episodes.sequences.source import RandomBits
from metamann.episodes.tasks import TaskList, seed_of
from metamann.errors import EpisodeError

RANDOM = LabelCodes("random")
PROTOCOLS: dict[str, Any] = {
    "nway": NWayKShot(ways=(2, 4), shots=[1, 2], queries=2, codes=RANDOM),
    "stream": OnlineStream(ways=3, steps=9),
    "greedy": GreedySentences([2, 4], [1, 2], codes=RANDOM),
    "fixed": FixedSentences(),
    "copy": Copy([1, 6], width=3),
}
ONE_WAY_OR_ANOTHER: dict[str, dict[str, Any]] = {  # other settings of the same protocol
    "nway": {"queries": 1},
    "stream": {"steps": 8},
    "greedy": {"codes": LabelCodes("random", 20)},
    "fixed": {"codes": LabelCodes("random", 20)},
    "copy": {"width": 4},
}
kinds = pytest.mark.parametrize("kind", sorted(PROTOCOLS))
STORES: dict[str, Any] = {"greedy": random_store(), "fixed": random_episodes(7), "copy": RandomBits("val")}


@pytest.fixture
def make(make_store: Callable[..., ClassStore]) -> Callable[..., Sampler]:
    """Makes a sampler of a kind, with other settings, data or seed where they are given."""
    images = make_store()

    def made(kind: str, store: Any = None, seed: int = 5, **settings: Any) -> Sampler:
        protocol = dataclasses.replace(PROTOCOLS[kind], **settings)
        return Sampler(STORES.get(kind, images) if store is None else store, protocol, seed)

    return made


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [each for part in value for each in tensors(part)] if hasattr(value, "_fields") else []


def equal(one: Any, other: Any) -> bool:
    pairs = zip(tensors(one), tensors(other), strict=True)
    return all(torch.equal(mine, yours) for mine, yours in pairs)


@kinds
def test_a_list_comes_back_as_it_was_saved(make: Callable[..., Sampler], tmp_path: Path, kind: str) -> None:
    sampler, path = make(kind), tmp_path / "deep" / "tasks.npz"
    tasks = TaskList.draw(sampler, 7)
    tasks.save(path)
    loaded = TaskList.load(path, make(kind, seed=seed_of(path)))
    assert (loaded.hash, loaded.header, loaded.seed, len(loaded)) == (tasks.hash, tasks.header, 5, 7)
    for plan, other in zip(loaded.plans, tasks.plans, strict=True):
        assert type(plan) is type(other)
        assert all(np.array_equal(*pair) for pair in zip(plan, other, strict=True))


@kinds
@pytest.mark.parametrize("size", [1, 25, 10**6])
def test_batches_are_those_of_the_sampler_and_no_larger_than_said(
    make: Callable[..., Sampler], kind: str, size: int
) -> None:
    sampler, start = make(kind), 0
    tasks = TaskList.draw(sampler, 7)
    for batch in tasks.batches(sampler, size):
        episodes = len(tensors(batch)[0])
        expected = sampler.batch(range(start, start + episodes))
        if kind != "copy":  # whose batches are padded to the longest sequence of all
            assert equal(batch, expected)
        assert episodes == 1 or sampler.source.positions(tasks.plans[start : start + episodes]) <= size
        assert (episodes == 7) == (size == 10**6)
        start += episodes
    assert start == 7


@kinds
def test_the_hash_sees_every_difference(make: Callable[..., Sampler], kind: str) -> None:
    tasks = TaskList.draw(make(kind), 7)
    assert TaskList.draw(make(kind), 7).hash == tasks.hash
    hashes = [tasks.hash, TaskList.draw(make(kind), 6).hash, TaskList.draw(make(kind, seed=6), 7).hash]
    hashes.append(dataclasses.replace(tasks, header={**tasks.header, "seed": 9}).hash)
    first, *rest = tasks.plans
    for name in first._fields:
        other = first._replace(**{name: getattr(first, name) + 1})
        hashes.append(dataclasses.replace(tasks, plans=(other, *rest)).hash)
    assert len(set(hashes)) == len(hashes)


def test_the_hash_sees_whose_sentences_are_whose(make: Callable[..., Sampler]) -> None:
    tasks = TaskList.draw(make("greedy"), 7)
    first, second, *rest = tasks.plans
    moved = first._replace(support=np.append(first.support, second.support[0]))
    second = second._replace(support=second.support[1:])
    assert dataclasses.replace(tasks, plans=(moved, second, *rest)).hash != tasks.hash


@kinds
@pytest.mark.parametrize("what", ["protocol", "seed"])
def test_a_list_of_another_evaluation_is_refused(
    make: Callable[..., Sampler], tmp_path: Path, kind: str, what: str
) -> None:
    other = make(kind, seed=6) if what == "seed" else make(kind, **ONE_WAY_OR_ANOTHER[kind])
    tasks = TaskList.draw(other, 4)
    tasks.save(tmp_path / "tasks.npz")
    with pytest.raises(EpisodeError, match=f"{what}="):
        next(tasks.batches(make(kind), 2))
    with pytest.raises(EpisodeError, match=f"{what}="):
        TaskList.load(tmp_path / "tasks.npz", make(kind))


@pytest.mark.parametrize("what", ["data", "fingerprint"])
@pytest.mark.parametrize("kind", ["nway", "greedy", "fixed"])
def test_a_list_of_other_data_is_refused(
    make: Callable[..., Sampler], make_store: Callable[..., ClassStore], kind: str, what: str
) -> None:
    stores = {"nway": make_store, "greedy": random_store, "fixed": random_episodes}
    store: Any = stores[kind](seed=1)  # type: ignore[operator]
    if what == "data":
        store = dataclasses.replace(make(kind).store, name="other")
    with pytest.raises(EpisodeError, match=f"{what}="):
        next(TaskList.draw(make(kind, store), 4).batches(make(kind), 2))


def test_sequences_of_another_split_are_refused(make: Callable[..., Sampler]) -> None:
    with pytest.raises(EpisodeError, match="split=val"):
        next(TaskList.draw(make("copy"), 4).batches(make("copy", RandomBits("test")), 2))


@kinds
@pytest.mark.parametrize("episodes", [1, 0, -3])
def test_fewer_than_two_episodes_are_refused(make: Callable[..., Sampler], kind: str, episodes: int) -> None:
    with pytest.raises(EpisodeError, match=f"episodes={episodes}: an interval"):
        TaskList.draw(make(kind), episodes)


def test_one_fixed_task_is_a_list(tmp_path: Path) -> None:
    sampler = Sampler(random_episodes(1), FixedSentences())
    TaskList.draw(sampler, 1).save(tmp_path / "tasks.npz")
    assert len(TaskList.load(tmp_path / "tasks.npz", sampler)) == 1


def test_more_episodes_than_there_are_are_refused(make: Callable[..., Sampler]) -> None:
    assert make("fixed").at_most(8) == 7
    assert make("greedy").at_most(8) == 8
    with pytest.raises(EpisodeError, match=r"episodes=8.*has 7"):
        TaskList.draw(make("fixed"), 8)


@kinds
@pytest.mark.parametrize(
    "content", ["missing", "text", "empty", "array", "other_npz", "pickle", "truncated", "damaged", "shapes"]
)
def test_a_file_that_is_no_task_list_is_refused(
    make: Callable[..., Sampler], tmp_path: Path, kind: str, content: str
) -> None:
    path, sampler = tmp_path / "foreign.npz", make(kind)
    tasks = TaskList.draw(sampler, 7)
    tasks.save(path)
    whole, middle = path.read_bytes(), path.stat().st_size // 2
    if content == "missing":
        path.unlink()
    elif content == "text":
        path.write_text("accuracy: 0.99\n")
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "array":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif content == "other_npz":
        np.savez(path, items=np.arange(3))
    elif content == "pickle":
        np.savez(path, header=np.array([{}], dtype=object), items=0, labels=0, n_classes=0)
    elif content == "truncated":
        path.write_bytes(whole[:middle])
    elif content == "damaged":
        damage = bytes(byte ^ 255 for byte in whole[middle : middle + 40])
        path.write_bytes(whole[:middle] + damage + whole[middle + 40 :])
    else:
        np.savez(path, header=json.dumps(tasks.header), **{name: a[:3].ravel() for name, a in tasks.arrays.items()})
    with pytest.raises(EpisodeError, match=r"foreign\.npz is no task list"):
        TaskList.load(path, sampler)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("nway", "items", -1), ("stream", "items", 10**9), ("nway", "labels", 10), ("stream", "labels", -7),
        *(("greedy", name, value) for name in ("support", "query", "types") for value in (-1, 10**9)),
        ("fixed", "types", 10**9), ("copy", "inputs", 0.5), ("copy", "answers", 7),
    ],
)  # fmt: skip
def test_a_list_that_was_changed_is_refused(
    make: Callable[..., Sampler], tmp_path: Path, kind: str, name: str, value: float
) -> None:
    sampler = make(kind)
    tasks = TaskList.draw(sampler, 7)
    array = getattr(tasks.plans[0], name).copy()
    array.flat[0] = value
    changed = tasks.plans[0]._replace(**{name: array})
    dataclasses.replace(tasks, plans=(changed, *tasks.plans[1:])).save(tmp_path / "tasks.npz")
    with pytest.raises(EpisodeError, match=r"episode 0 .* its seed draws"):
        TaskList.load(tmp_path / "tasks.npz", sampler)


@pytest.mark.parametrize("ways", [0, 1000])
def test_another_number_of_classes_is_refused(make: Callable[..., Sampler], tmp_path: Path, ways: int) -> None:
    tasks = TaskList.draw(make("nway"), 7)
    changed = tasks.plans[0]._replace(n_classes=ways)
    dataclasses.replace(tasks, plans=(changed, *tasks.plans[1:])).save(tmp_path / "tasks.npz")
    with pytest.raises(EpisodeError, match=r"episode 0 .* its seed draws"):
        TaskList.load(tmp_path / "tasks.npz", make("nway"))
