"""The sampler: episode i is a pure function of (data fingerprint, protocol, seed, i)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from metamann.episodes.ahead import prepared_ahead
from metamann.episodes.seeds import CODES, PLAN, Seeds
from metamann.episodes.source import Load, TaskProtocol


class Sampler:
    """Draws episodes of one store under one protocol.

    The same index gives the same episode for any batch size, any number of workers and after any resume, so the
    whole state of a sampler is one integer, which the caller holds. Only the padding of sentences and sequences
    depends on the batch: a batch is padded to its largest number of sentences and to its longest sentence or sequence.

    Args:
        store: the data to draw from: classes of items, sentences, published episodes, or random bits.
        protocol: what an episode is.
        seed: of the sequence of episodes.

    Raises:
        EpisodeError: if the store cannot give such episodes.
        ConfigError: if the seed is not a whole number in range.

    Examples:
        >>> import torch
        >>> from metamann.data.store import ClassStore
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> store = ClassStore.from_classes("rows", [torch.zeros(3, 8)] * 6, list("abcdef"), [""] * 6)
        >>> sampler = Sampler(store, NWayKShot(ways=5, shots=1, queries=2), seed=0)
        >>> sampler.batch([0, 1]).query.inputs.shape  # 2 episodes of 10 query rows
        torch.Size([2, 10, 8])
    """

    def __init__(self, store: Any, protocol: TaskProtocol, seed: int = 0) -> None:
        self.store, self.seed = store, seed
        self.protocol: Any = protocol
        self.source: Any = protocol.source(store)
        self._seeds: Seeds = self.source.seeds(seed)

    @property
    def n_episodes(self) -> int | None:
        """How many different episodes there are; None where they are drawn without end."""
        episodes: int | None = self.source.n_episodes
        return episodes

    def at_most(self, episodes: int) -> int:
        """The number of episodes, or that of the different ones if there are fewer."""
        return episodes if self.n_episodes is None else min(episodes, self.n_episodes)

    def header(self) -> dict[str, object]:
        """What episodes are drawn from: data, protocol and seed."""
        return {**self.source.header(), "seed": self.seed}

    def loads(self) -> list[Load]:
        """The most that an episode writes into a memory."""
        loads: list[Load] = self.source.loads()
        return loads

    def plan(self, index: int) -> Any:
        """Episode `index` as numbers."""
        return self.source.draw(index, self._seeds.rng(index, PLAN))

    def codes(self, index: int) -> np.ndarray:
        """Label codes of episode `index`, `labels x width`; its items are the same for any kind of codes."""
        codes: np.ndarray = self.source.codes(self._seeds.rng(index, CODES))
        return codes

    def class_ids(self, index: int) -> np.ndarray:
        """The class of the store that each class number of episode `index` stands for."""
        class_ids: np.ndarray = self.source.class_ids(self.plan(index))
        return class_ids

    def batch(self, indices: Sequence[int]) -> Any:
        """The episodes of these indices."""
        return self.fetch([self.plan(index) for index in indices], [self.codes(index) for index in indices])

    def fetch(self, plans: Sequence[Any], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> Any:
        """The batch of planned episodes.

        Args:
            plans: of the episodes.
            codes: of their labels, one array `labels x width` for each episode.
            rows: what to use in place of the items of the store, one row for each item: features, for instance.
        """
        return self.source.fetch(plans, codes, rows)

    def batches(self, batches: Sequence[Sequence[int]], workers: int = 1) -> Iterator[Any]:
        """Batches of these episode indices in order, prepared by threads ahead of the step that uses them."""
        return prepared_ahead(self.batch, batches, workers)
