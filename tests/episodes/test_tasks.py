"""Task lists: the same tasks after a round trip, nothing but task lists, nothing for another evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.tasks import TaskList
from metamann.errors import EpisodeError

PROTOCOLS: dict[str, EpisodeProtocol] = {
    "nway": NWayKShot(ways=(2, 4), shots=[1, 2], queries=2, codes=LabelCodes("random")),
    "stream": OnlineStream(ways=3, steps=9),
}


@pytest.fixture(params=sorted(PROTOCOLS))
def sampler(request: pytest.FixtureRequest, store: ClassStore) -> Sampler:
    return Sampler(store, PROTOCOLS[request.param], seed=5)


def assert_same_batch(one: Episode | Stream, other: Episode | Stream) -> None:
    assert type(one) is type(other)
    for mine, yours in zip(flat(one), flat(other), strict=True):
        assert torch.equal(mine, yours)


def flat(value: object) -> list[torch.Tensor]:
    if value is None:  # images have no names of classes
        return []
    return [value] if isinstance(value, torch.Tensor) else [each for part in value for each in flat(part)]  # type: ignore[attr-defined]


def test_a_list_comes_back_as_it_was_saved(sampler: Sampler, tmp_path: Path) -> None:
    tasks = TaskList.draw(sampler, 7)
    tasks.save(tmp_path / "deep" / "tasks.npz")
    loaded = TaskList.load(tmp_path / "deep" / "tasks.npz")
    assert loaded.hash == tasks.hash
    assert loaded.header == tasks.header
    assert loaded.seed == 5
    assert len(loaded) == 7
    for name in ("items", "labels", "n_classes"):
        assert np.array_equal(getattr(loaded, name), getattr(tasks, name))
        assert getattr(loaded, name).dtype == np.int64


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_are_those_of_the_sampler(sampler: Sampler, tmp_path: Path, size: int) -> None:
    TaskList.draw(sampler, 7).save(tmp_path / "tasks.npz")
    batches = list(TaskList.load(tmp_path / "tasks.npz").batches(sampler, size))
    starts = range(0, 7, size)
    assert len(batches) == len(starts)
    for start, batch in zip(starts, batches, strict=True):
        assert_same_batch(batch, sampler.batch(range(start, min(start + size, 7))))


def test_the_hash_is_stable(sampler: Sampler, store: ClassStore) -> None:
    again = Sampler(dataclasses.replace(store), sampler.protocol, seed=5)
    assert TaskList.draw(again, 7).hash == TaskList.draw(sampler, 7).hash


def test_the_hash_sees_every_difference(sampler: Sampler, store: ClassStore) -> None:
    tasks = TaskList.draw(sampler, 7)
    hashes = [tasks.hash, TaskList.draw(sampler, 8).hash]
    hashes.append(TaskList.draw(Sampler(store, sampler.protocol, seed=6), 7).hash)
    hashes.append(dataclasses.replace(tasks, header={**tasks.header, "data": "other"}).hash)
    for name in ("items", "labels", "n_classes"):
        array = getattr(tasks, name).copy()
        array.flat[-1] += 1
        hashes.append(dataclasses.replace(tasks, **{name: array}).hash)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("what", ["data", "fingerprint", "protocol", "codes", "seed"])
def test_a_list_of_another_evaluation_is_refused(
    sampler: Sampler, store: ClassStore, make_store: Callable[..., ClassStore], what: str
) -> None:
    others = {
        "data": Sampler(make_store(name="other"), sampler.protocol, seed=5),
        "fingerprint": Sampler(make_store(seed=1), sampler.protocol, seed=5),
        "protocol": Sampler(store, NWayKShot(ways=4, shots=1, queries=1), seed=5),
        "codes": Sampler(store, dataclasses.replace(sampler.protocol, codes=LabelCodes(width=9)), seed=5),  # type: ignore[type-var]
        "seed": Sampler(store, sampler.protocol, seed=6),
    }
    named = "protocol" if what == "codes" else what
    with pytest.raises(EpisodeError, match=f"{named}="):
        next(TaskList.draw(others[what], 4).batches(sampler, 2))


@pytest.mark.parametrize("episodes", [1, 0, -3])
def test_fewer_than_two_episodes_are_refused(sampler: Sampler, episodes: int) -> None:
    with pytest.raises(EpisodeError, match=f"episodes={episodes}"):
        TaskList.draw(sampler, episodes)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"nowhere\.npz"):
        TaskList.load(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("content", ["text", "empty", "array", "other_npz", "pickle", "truncated", "damaged"])
def test_a_file_that_is_no_task_list_is_refused(sampler: Sampler, tmp_path: Path, content: str) -> None:
    path = tmp_path / "foreign.npz"
    TaskList.draw(sampler, 7).save(path)
    whole = path.read_bytes()
    if content == "text":
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
        path.write_bytes(whole[: len(whole) // 2])
    else:
        middle = len(whole) // 2
        path.write_bytes(
            whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 40]) + whole[middle + 40 :]
        )
    with pytest.raises(EpisodeError, match=r"foreign\.npz is no task list"):
        TaskList.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("items", -1), ("items", 10**9), ("labels", 10), ("labels", -7), ("n_classes", 0), ("n_classes", 1000)],
)
def test_a_list_that_was_changed_is_refused(sampler: Sampler, tmp_path: Path, name: str, value: int) -> None:
    tasks = TaskList.draw(sampler, 7)
    array = getattr(tasks, name).copy()
    array.flat[0] = value
    dataclasses.replace(tasks, **{name: array}).save(tmp_path / "tasks.npz")
    with pytest.raises(EpisodeError, match=r"episode 0 .* its seed draws"):
        TaskList.load(tmp_path / "tasks.npz").check_drawn_by(sampler)
