"""Task lists of sentences: the same tasks after a round trip, nothing for another evaluation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_sentences import random_episodes, random_store

from metamann.episodes.episode import Episode
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.sampler import SentenceSampler
from metamann.episodes.sentences.tasks import SentenceTaskList
from metamann.errors import EpisodeError

STORES: dict[str, Any] = {"greedy": random_store(), "fixed": random_episodes(7)}
PROTOCOLS: dict[str, Any] = {
    "greedy": GreedySentences([2, 4], [1, 2], codes=LabelCodes("random")),
    "fixed": FixedSentences(),
}


@pytest.fixture(params=sorted(STORES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sampler(kind: str) -> SentenceSampler:
    return SentenceSampler(STORES[kind], PROTOCOLS[kind], seed=5)


def tensors(batch: Episode) -> list[torch.Tensor]:
    parts = (batch.support, batch.query)
    assert batch.classes.names is not None
    labels = [batch.classes.ways, batch.classes.codes, batch.classes.names.words]
    return [*labels, *(tensor for part in parts for tensor in (part.inputs.words, part.labels))]


def test_a_list_comes_back_as_it_was_saved(sampler: SentenceSampler, tmp_path: Path) -> None:
    tasks = SentenceTaskList.draw(sampler, 7)
    tasks.save(tmp_path / "deep" / "tasks.npz")
    loaded = SentenceTaskList.load(tmp_path / "deep" / "tasks.npz")
    assert (loaded.hash, loaded.header, loaded.seed, len(loaded)) == (tasks.hash, tasks.header, 5, 7)
    for one, other in zip(loaded.plans, tasks.plans, strict=True):
        assert all(np.array_equal(mine, yours) for mine, yours in zip(one, other, strict=True))


@pytest.mark.parametrize("sentences", [1, 25, 10**6])
def test_batches_are_those_of_the_sampler_and_no_larger_than_said(
    sampler: SentenceSampler, tmp_path: Path, sentences: int
) -> None:
    SentenceTaskList.draw(sampler, 7).save(tmp_path / "tasks.npz")
    start = 0
    sizes = []
    for batch in SentenceTaskList.load(tmp_path / "tasks.npz").batches(sampler, sentences):
        size = len(batch.classes.ways)
        expected = sampler.batch(range(start, start + size))
        assert all(torch.equal(a, b) for a, b in zip(tensors(batch), tensors(expected), strict=True))
        padded = size * (batch.support.labels.shape[1] + batch.query.labels.shape[1])
        assert size == 1 or padded <= sentences
        start += size
        sizes.append(size)
    assert start == 7
    assert (max(sizes) == 1) == (sentences == 1)
    assert (len(sizes) == 1) == (sentences == 10**6)


def test_the_hash_sees_every_difference(kind: str, sampler: SentenceSampler) -> None:
    tasks = SentenceTaskList.draw(sampler, 7)
    assert SentenceTaskList.draw(SentenceSampler(STORES[kind], PROTOCOLS[kind], seed=5), 7).hash == tasks.hash
    hashes = [tasks.hash, SentenceTaskList.draw(sampler, 6).hash]
    hashes.append(SentenceTaskList.draw(SentenceSampler(STORES[kind], PROTOCOLS[kind], seed=6), 7).hash)
    hashes.append(dataclasses.replace(tasks, header={**tasks.header, "data": "other"}).hash)
    first, *rest = tasks.plans
    for name in ("support", "query", "types"):
        hashes.append(
            dataclasses.replace(tasks, plans=(first._replace(**{name: getattr(first, name) + 1}), *rest)).hash
        )
    moved = first._replace(support=np.append(first.support, rest[0].support[0]))
    second = rest[0]._replace(support=rest[0].support[1:])
    hashes.append(dataclasses.replace(tasks, plans=(moved, second, *rest[1:])).hash)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("what", ["data", "fingerprint", "protocol", "seed"])
def test_a_list_of_another_evaluation_is_refused(kind: str, sampler: SentenceSampler, what: str) -> None:
    store, protocol, seed = STORES[kind], PROTOCOLS[kind], 5
    if what == "data":
        store = dataclasses.replace(store, name="other")
    elif what == "fingerprint":
        store = random_store(seed=1) if kind == "greedy" else random_episodes(seed=1)
    elif what == "protocol":
        protocol = dataclasses.replace(protocol, codes=LabelCodes("random", 20))
    else:
        seed = 6
    other = SentenceTaskList.draw(SentenceSampler(store, protocol, seed), 4)
    with pytest.raises(EpisodeError, match=f"{what}="):
        next(other.batches(sampler, 100))


@pytest.mark.parametrize("episodes", [1, 0, -3])
def test_fewer_than_two_episodes_are_refused(sampler: SentenceSampler, episodes: int) -> None:
    with pytest.raises(EpisodeError, match=f"episodes={episodes}: an interval"):
        SentenceTaskList.draw(sampler, episodes)


def test_one_fixed_task_is_a_list() -> None:
    assert len(SentenceTaskList.draw(SentenceSampler(random_episodes(1), FixedSentences()), 1)) == 1


def test_more_episodes_than_were_published_are_refused() -> None:
    with pytest.raises(EpisodeError, match=r"episodes=8.*has 7"):
        SentenceTaskList.draw(SentenceSampler(STORES["fixed"], FixedSentences()), 8)


@pytest.mark.parametrize("content", ["missing", "text", "images", "truncated", "sizes"])
def test_a_file_that_is_no_task_list_is_refused(sampler: SentenceSampler, tmp_path: Path, content: str) -> None:
    path = tmp_path / "foreign.npz"
    if content == "text":
        path.write_text("f1: 0.99\n")
    elif content == "images":
        np.savez(path, header="{}", items=np.arange(3), labels=np.arange(3), n_classes=np.arange(3))
    elif content == "truncated":
        SentenceTaskList.draw(sampler, 7).save(path)
        path.write_bytes(path.read_bytes()[:300])
    elif content == "sizes":
        np.savez(path, header="{}", sizes=np.arange(3), support=np.arange(3), query=np.arange(3), types=np.arange(3))
    with pytest.raises(EpisodeError, match=r"foreign\.npz is no task list of sentences"):
        SentenceTaskList.load(path)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in ("support", "query", "types") for v in (-1, 10**9)])
def test_a_list_that_was_changed_is_refused(sampler: SentenceSampler, tmp_path: Path, name: str, value: int) -> None:
    tasks = SentenceTaskList.draw(sampler, 7)
    first = tasks.plans[0]
    wrong = first._replace(**{name: np.append(getattr(first, name)[1:], value)})
    dataclasses.replace(tasks, plans=(wrong, *tasks.plans[1:])).save(tmp_path / "tasks.npz")
    with pytest.raises(EpisodeError, match=r"episode 0 .* its seed draws"):
        SentenceTaskList.load(tmp_path / "tasks.npz").check_drawn_by(sampler)
