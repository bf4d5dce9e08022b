"""Evaluation task lists: index lists that can be saved, hashed and loaded, no pixels."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from metamann.episodes.episode import Episode, Stream
from metamann.episodes.items.protocols import Plan
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.sampler import SentenceSampler
from metamann.episodes.task_files import read_tasks, write_tasks
from metamann.errors import EpisodeError, excerpt

CHANGED = (
    "episode {} of the task list is not the one that its seed draws: the file was changed, or is of another version of "
    "metamann; leave out tasks=, and a new list is drawn."
)
ARRAYS = ("items", "labels", "n_classes")


@dataclasses.dataclass(frozen=True)
class TaskList:
    """The first episodes of a sampler, fixed.

    Attributes:
        header: data fingerprint and name, protocol and seed that they were drawn with.
        items: `episodes x positions`, rows of the store's items.
        labels: `episodes x positions`, class numbers or `PADDING`.
        n_classes: `episodes`.
    """

    header: dict[str, object]
    items: np.ndarray
    labels: np.ndarray
    n_classes: np.ndarray

    @classmethod
    def draw(cls, sampler: Sampler, episodes: int) -> TaskList:
        """Fix episodes 0 to `episodes - 1` of a sampler.

        Raises:
            EpisodeError: if fewer than 2 are asked for: an interval needs two.
        """
        if episodes < 2:
            raise EpisodeError(f"episodes={episodes}: an interval over episodes needs at least 2.")
        plans = [sampler.plan(index) for index in range(episodes)]
        return cls(
            header_of(sampler),
            np.stack([plan.items for plan in plans]).astype(np.int64),
            np.stack([plan.labels for plan in plans]).astype(np.int64),
            np.array([plan.n_classes for plan in plans], dtype=np.int64),
        )

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.items)

    @property
    def seed(self) -> int:
        """The seed that the list was drawn with."""
        return int(str(self.header["seed"]))

    @property
    def hash(self) -> str:
        """sha256 over the header and all index lists: two evaluations with one hash saw the same tasks."""
        digest = hashlib.sha256(json.dumps(self.header, sort_keys=True).encode())
        for array in (self.items, self.labels, self.n_classes):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the list as one `.npz` file."""
        write_tasks(path, self.header, {name: getattr(self, name) for name in ARRAYS})

    @classmethod
    def load(cls, path: Path) -> TaskList:
        """Read a saved list.

        Raises:
            EpisodeError: if the file is missing or no task list.
        """
        header, (items, labels, n_classes) = read_tasks(path, ARRAYS, "task list")
        if items.ndim != 2 or labels.shape != items.shape or n_classes.shape != items.shape[:1] or len(items) < 2:
            raise EpisodeError(f"{path} is no task list (its arrays do not fit); give a tasks.npz of an evaluation.")
        return cls(header, items, labels, n_classes)

    def check_drawn_by(self, sampler: Sampler) -> None:
        """Refuse a list from a file whose episodes are not those that its own header draws.

        Raises:
            EpisodeError: if it was drawn with other data, another protocol or seed, or has been changed.
        """
        check_header(self.header, sampler)
        for index in range(len(self)):
            drawn = sampler.plan(index)
            same = np.array_equal(self.items[index], drawn.items) and np.array_equal(self.labels[index], drawn.labels)
            if not same or self.n_classes[index] != drawn.n_classes:
                raise EpisodeError(CHANGED.format(index))

    def batches(self, sampler: Sampler, size: int, rows: torch.Tensor | None = None) -> Iterator[Episode | Stream]:
        """The episodes in order, `size` at a time; `rows` as in `Sampler.fetch`.

        Raises:
            EpisodeError: if the sampler's data, protocol or seed are not those of the list.
        """
        check_header(self.header, sampler)
        for start in range(0, len(self), size):
            indices = range(start, min(start + size, len(self)))
            plans = [Plan(self.items[i], self.labels[i], int(self.n_classes[i])) for i in indices]
            yield sampler.fetch(plans, [sampler.codes(index) for index in indices], rows)


def header_of(sampler: Sampler | SentenceSampler) -> dict[str, object]:
    """What tasks of a sampler are drawn from: data fingerprint and name, protocol and seed."""
    return {
        "data": sampler.store.name,
        "fingerprint": sampler.store.fingerprint,
        "protocol": sampler.protocol.describe(),
        "seed": sampler.seed,
    }


def check_header(header: Mapping[str, object], sampler: Sampler | SentenceSampler) -> None:
    """Refuse tasks that another sampler drew.

    Raises:
        EpisodeError: if data, protocol or seed are not those of the header.
    """
    expected = header_of(sampler)
    for name, value in header.items():
        if expected.get(name) != value:
            raise EpisodeError(
                f"the task list was drawn with {name}={excerpt(value)}, but this evaluation has "
                f"{excerpt(expected.get(name))}. Evaluate with the same data, protocol and seed, or without tasks=."
            )
