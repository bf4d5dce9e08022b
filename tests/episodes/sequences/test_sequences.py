"""Sequence i is a pure function of (task, split, seed, i), in any batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import AssociativeRecall, Copy, RepeatCopy
from metamann.episodes.sequences.source import RandomBits, Sequences
from metamann.episodes.tasks import TaskList
from metamann.errors import ConfigError, EpisodeError

TASKS = [Copy([1, 6], width=3), RepeatCopy([1, 3], [1, 3]), AssociativeRecall([2, 4])]


def same(one: Sequences, other: Sequences) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.describe()["name"]))
def test_a_sequence_is_the_same_in_any_batch_and_padded_with_nothing(task: Copy) -> None:
    together = Sampler(RandomBits("train"), task, 3).batch([7, 0, 10**6, 7])
    for row, index in enumerate([7, 0, 10**6, 7]):
        alone = Sampler(RandomBits("train"), task, 3).batch([index])
        steps = alone.mask.shape[1]
        assert alone.mask.all()
        assert same(alone, Sequences(*(tensor[row : row + 1, :steps] for tensor in together)))
        assert not together.mask[row, steps:].any()
        assert not together.inputs[row, steps:].any()
        assert (together.answers[row, steps:] == PADDING).all()
    assert together.mask.any(0).all()


def test_targets_are_the_answers_step_by_step() -> None:
    batch = Sampler(RandomBits("train"), TASKS[0]).batch(range(4))
    assert torch.equal(batch.targets.view_as(batch.answers), batch.answers)


def test_another_seed_split_task_or_index_gives_other_sequences() -> None:
    task = Copy(6)
    base = Sampler(RandomBits("train"), task, 0).batch(range(20))
    others = [
        Sampler(RandomBits("train"), task, 1).batch(range(20)),
        Sampler(RandomBits("val"), task, 0).batch(range(20)),
        Sampler(RandomBits("test"), task, 0).batch(range(20)),
        Sampler(RandomBits("train"), Copy([6, 6]), 0).batch(range(20)),
        Sampler(RandomBits("train"), task, 0).batch(range(20, 40)),
    ]
    drawn = {tuple(row) for batch in (base, *others) for row in batch.inputs.flatten(1).tolist()}
    assert len(drawn) == 120


def test_the_loop_gets_its_batches_in_order_for_any_number_of_workers() -> None:
    sampler = Sampler(RandomBits("train"), TASKS[0])
    indices = [range(start, start + 3) for start in range(0, 12, 3)]
    for workers in (1, 3):
        dealt = list(sampler.batches(indices, workers))
        assert len(dealt) == 4
        assert all(same(batch, sampler.batch(each)) for batch, each in zip(dealt, indices, strict=True))


def test_what_cannot_be_dealt_is_refused_at_start() -> None:
    with pytest.raises(EpisodeError, match="train, val or test"):
        Sampler(RandomBits("valid"), Copy())
    with pytest.raises(ConfigError, match="seed=-1"):
        Sampler(RandomBits("train"), Copy(), -1)
    with pytest.raises(EpisodeError, match="lengths"):
        Sampler(RandomBits("train"), Copy(0))
    with pytest.raises(EpisodeError, match="at least 2"):
        TaskList.draw(Sampler(RandomBits("val"), Copy()), 1)


def test_a_list_is_the_first_sequences_whatever_the_size_of_its_batches() -> None:
    sampler = Sampler(RandomBits("test"), TASKS[0], 5)
    tasks = TaskList.draw(sampler, 7)
    assert (len(tasks), tasks.seed) == (7, 5)
    whole = sampler.batch(range(7))
    batches = list(tasks.batches(sampler, 3 * whole.mask.shape[1]))
    assert [len(batch.mask) for batch in batches] == [3, 3, 1]
    assert same(Sequences(*(torch.cat(parts) for parts in zip(*batches, strict=True))), whole)


def test_a_hash_stands_for_task_split_seed_and_number() -> None:
    def hash_of(task: Copy, split: str = "val", seed: int = 0, number: int = 5) -> str:
        return TaskList.draw(Sampler(RandomBits(split), task, seed), number).hash

    hashes = [
        hash_of(Copy(4)), hash_of(Copy([4, 4])), hash_of(Copy(4), split="test"), hash_of(Copy(4), seed=1),
        hash_of(Copy(4), number=6),
    ]  # fmt: skip
    assert len(set(hashes)) == 5
    assert hash_of(Copy(4)) == hashes[0]


def test_a_list_that_is_saved_holds_its_sequences(tmp_path: Path) -> None:
    sampler = Sampler(RandomBits("test"), TASKS[1])
    TaskList.draw(sampler, 4).save(tmp_path / "tasks.npz")
    with np.load(tmp_path / "tasks.npz") as file:
        assert json.loads(str(file["header"])) == {"protocol": TASKS[1].describe(), "split": "test", "seed": 0}
        saved = Sequences(*(torch.from_numpy(file[name]) for name in Sequences._fields))
    assert same(sampler.batch(range(4)), saved)


def test_sequences_are_counted_by_their_vectors_and_have_no_classes() -> None:
    sampler = Sampler(RandomBits("train"), Copy([1, 7]))
    assert sampler.loads() == [(7, "vectors")]
    assert sampler.protocol.code_width() == 0
    assert sampler.class_ids(0).size == sampler.codes(0).size == 0
