"""Evaluation task lists of sentences: index lists that can be saved, hashed and loaded, no text."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from metamann.episodes.episode import Episode
from metamann.episodes.sentences.protocols import SentencePlan
from metamann.episodes.sentences.sampler import SentenceSampler
from metamann.episodes.task_files import LARGEST, read_tasks, write_tasks
from metamann.episodes.tasks import CHANGED, check_header, header_of
from metamann.errors import EpisodeError


@dataclasses.dataclass(frozen=True)
class SentenceTaskList:
    """The first episodes of a sampler, fixed.

    Attributes:
        header: data fingerprint and name, protocol and seed that they were drawn with.
        plans: sentences and types of each episode, by number.
    """

    header: dict[str, object]
    plans: tuple[SentencePlan, ...]

    @classmethod
    def draw(cls, sampler: SentenceSampler, episodes: int) -> SentenceTaskList:
        """Fix episodes 0 to `episodes - 1` of a sampler.

        Raises:
            EpisodeError: if there are not so many episodes, or fewer than 2 are asked for where there are more: an
                interval needs two.
        """
        available = sampler.source.n_episodes
        if available is not None and episodes > available:
            raise EpisodeError(f"episodes={episodes}, but '{sampler.store.name}' has {available}; lower episodes.")
        if episodes < 2 and not episodes == available == 1:
            raise EpisodeError(f"episodes={episodes}: an interval over episodes needs at least 2.")
        return cls(header_of(sampler), tuple(sampler.plan(index) for index in range(episodes)))

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.plans)

    @property
    def seed(self) -> int:
        """The seed that the list was drawn with."""
        return int(str(self.header["seed"]))

    @property
    def hash(self) -> str:
        """sha256 over the header and all index lists: two evaluations with one hash saw the same tasks."""
        digest = hashlib.sha256(json.dumps(self.header, sort_keys=True).encode())
        for array in self._arrays.values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        """Each part of the plans behind one another, and `sizes`, `episodes x parts`."""
        parts = {name: [getattr(plan, name) for plan in self.plans] for name in SentencePlan._fields}
        sizes = np.array([[len(array) for array in plan] for plan in self.plans], dtype=np.int64)
        return {"sizes": sizes, **{name: np.concatenate(arrays).astype(np.int64) for name, arrays in parts.items()}}

    def save(self, path: Path) -> None:
        """Write the list as one `.npz` file."""
        write_tasks(path, self.header, self._arrays)

    @classmethod
    def load(cls, path: Path) -> SentenceTaskList:
        """Read a saved list.

        Raises:
            EpisodeError: if the file is missing or no task list of sentences.
        """
        header, (sizes, *parts) = read_tasks(path, ("sizes", *SentencePlan._fields), "task list of sentences")
        fits = (
            sizes.shape[1:] == (len(parts),)
            and len(sizes) > 0
            and bool((sizes >= 0).all() and (sizes <= LARGEST).all())
            and bool((sizes[:, 1:] > 0).all())  # supervised sentences have no support
            and all(part.shape == (total,) for part, total in zip(parts, sizes.sum(0), strict=True))
        )
        if not fits:
            raise EpisodeError(f"{path} is no task list of sentences (its arrays do not fit); give another tasks.npz.")
        split = [np.split(part, sizes[:, which].cumsum()[:-1]) for which, part in enumerate(parts)]
        return cls(header, tuple(map(SentencePlan, *split)))

    def check_drawn_by(self, sampler: SentenceSampler) -> None:
        """Refuse a list from a file whose episodes are not those that its own header draws.

        Raises:
            EpisodeError: if it was drawn with other data, another protocol or seed, or has been changed.
        """
        check_header(self.header, sampler)
        for index, plan in enumerate(self.plans):
            if not all(np.array_equal(*pair) for pair in zip(plan, sampler.plan(index), strict=True)):
                raise EpisodeError(CHANGED.format(index))

    def batches(self, sampler: SentenceSampler, sentences: int) -> Iterator[Episode]:
        """The episodes in order, in batches of up to about so many sentences, padding counted; at least one episode.

        Raises:
            EpisodeError: if the sampler's data, protocol or seed are not those of the list.
        """
        check_header(self.header, sampler)
        start = 0
        while start < len(self):
            stop, support, query = start, 0, 0
            while stop < len(self):
                support = max(support, len(self.plans[stop].support))
                query = max(query, len(self.plans[stop].query))
                if stop > start and (stop + 1 - start) * (support + query) > sentences:
                    break
                stop += 1
            indices = range(start, stop)
            yield sampler.fetch(self.plans[start:stop], [sampler.codes(index) for index in indices])
            start = stop
