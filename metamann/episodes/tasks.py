"""Evaluation task lists: episodes as numbers, without pixels and text, that can be saved, hashed and loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from metamann.episodes.sampler import Sampler
from metamann.episodes.source import Source
from metamann.episodes.task_files import NO_LIST, read_tasks, write_tasks
from metamann.errors import EpisodeError, excerpt


@dataclasses.dataclass(frozen=True)
class TaskList:
    """The first episodes of a sampler, fixed.

    Attributes:
        header: what they were drawn from: data, protocol and seed.
        plans: of the episodes.
        source: packs the plans into arrays.

    Examples:
        >>> from metamann.episodes.sequences.algorithmic import Copy
        >>> from metamann.episodes.sequences.source import RandomBits
        >>> tasks = TaskList.draw(Sampler(RandomBits("test"), Copy(lengths=3)), episodes=10)
        >>> len(tasks), tasks.hash[:8]
        (10, 'e996e5ff')
    """

    header: dict[str, object]
    plans: tuple[Any, ...]
    source: Source[Any, Any]

    @classmethod
    def draw(cls, sampler: Sampler, episodes: int) -> TaskList:
        """Fix episodes 0 to `episodes - 1` of a sampler.

        Raises:
            EpisodeError: if there are fewer episodes, or if `episodes` is below 2 although there are more: an interval
                needs two.
        """
        _check_number(sampler, episodes)
        return cls(sampler.header(), tuple(sampler.plan(index) for index in range(episodes)), sampler.source)

    @classmethod
    def load(cls, path: Path, sampler: Sampler) -> TaskList:
        """Read a saved list of episodes that a sampler draws; `seed_of` says with which seed.

        Raises:
            EpisodeError: if the file is missing or not a task list, was drawn with other data, another protocol or
                seed, or has been changed.
        """
        header, arrays = read_tasks(path, sampler.source.arrays)
        check_header(header, sampler)
        try:
            plans = sampler.source.unpack(arrays)
        except ValueError as error:
            raise EpisodeError(f"{path} is {NO_LIST.format(error)}") from error
        _check_number(sampler, len(plans))
        for index, plan in enumerate(plans):
            if not all(np.array_equal(*parts) for parts in zip(plan, sampler.plan(index), strict=True)):
                raise EpisodeError(
                    f"episode {index} of the task list is not the one that its seed draws: the file was changed, or is "
                    "of another version of metamann; leave out tasks=, and a new list is drawn."
                )
        return cls(header, tuple(plans), sampler.source)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.plans)

    @property
    def seed(self) -> int:
        """The seed that the list was drawn with."""
        return int(str(self.header["seed"]))

    @property
    def hash(self) -> str:
        """sha256 over the header and all arrays: two evaluations with the same hash answered the same tasks."""
        digest = hashlib.sha256(json.dumps(self.header, sort_keys=True).encode())
        for array in self.arrays.values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The plans as arrays, by the names that the source gives them."""
        return self.source.pack(self.plans)

    def save(self, path: Path) -> None:
        """Write the list as one `.npz` file."""
        write_tasks(path, self.header, self.arrays)

    def batches(self, sampler: Sampler, size: int, rows: Tensor | None = None) -> Iterator[Any]:
        """The episodes in order, in batches of at most `size` items, sentences or steps, or of one larger episode.

        Args:
            sampler: that drew them.
            size: of a batch, padding counted.
            rows: as in `Sampler.fetch`.

        Raises:
            EpisodeError: if the sampler's data, protocol or seed are not those of the list.
        """
        check_header(self.header, sampler)
        yield from sampler.source.batches(self.plans, sampler.codes, size, rows)


def seed_of(path: Path) -> int:
    """The seed of a saved list, which a sampler must have to draw it.

    Raises:
        EpisodeError: if the file is missing or not a task list.
    """
    header, _ = read_tasks(path, {})
    return int(str(header["seed"]))


def check_header(header: Mapping[str, object], sampler: Sampler) -> None:
    """Refuse tasks that another sampler drew.

    Raises:
        EpisodeError: if data, protocol or seed are not those of the header.
    """
    expected = sampler.header()
    for name in dict.fromkeys([*expected, *header]):
        if expected.get(name) != header.get(name):
            raise EpisodeError(
                f"the task list was drawn with {name}={excerpt(header.get(name))}, but this evaluation has "
                f"{excerpt(expected.get(name))}. Evaluate with the same data, protocol and seed, or without tasks=."
            )


def _check_number(sampler: Sampler, episodes: int) -> None:
    available = sampler.n_episodes
    if available is not None and episodes > available:
        raise EpisodeError(f"episodes={episodes}, but '{sampler.store.name}' has {available}; lower episodes.")
    if episodes < 2 and not episodes == available == 1:
        raise EpisodeError(f"episodes={episodes}: an interval over episodes needs at least 2.")
