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
    """Deals episodes of one store under one protocol.

    The same index gives the same episode for any batch size, number of workers and after any resume, so the
    whole state of a sampler is one integer that the caller keeps. Only the padding of sentences and sequences depends
    on the batch: it goes to the most, and the longest, of the batch.

    Args:
        store: the data to deal from: classes of items, sentences, published episodes, or random bits.
        protocol: what an episode is.
        seed: of the sequence of episodes.

    Raises:
        EpisodeError: if the store cannot give such episodes.
        ConfigError: if the seed is none.
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
        """As many episodes as are asked for, or as there are."""
        return episodes if self.n_episodes is None else min(episodes, self.n_episodes)

    def header(self) -> dict[str, object]:
        """What episodes are drawn from: data, protocol and seed."""
        return {**self.source.header(), "seed": self.seed}

    def loads(self) -> list[Load]:
        """What an episode writes into a memory at most."""
        loads: list[Load] = self.source.loads()
        return loads

    def plan(self, index: int) -> Any:
        """Episode `index` as numbers."""
        return self.source.draw(index, self._seeds.rng(index, PLAN))

    def codes(self, index: int) -> np.ndarray:
        """Label codes of episode `index`, `labels x width`: drawn apart, so that they leave its items alone."""
        codes: np.ndarray = self.source.codes(self._seeds.rng(index, CODES))
        return codes

    def class_ids(self, index: int) -> np.ndarray:
        """What each class number of episode `index` stands for, as a number of the store."""
        numbers: np.ndarray = self.source.class_ids(self.plan(index))
        return numbers

    def batch(self, indices: Sequence[int]) -> Any:
        """Plan these episodes and fetch their items."""
        return self.fetch([self.plan(index) for index in indices], [self.codes(index) for index in indices])

    def fetch(self, plans: Sequence[Any], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> Any:
        """The batch of planned episodes.

        Args:
            plans: of the episodes.
            codes: of their labels, `labels x width` each.
            rows: what to take in place of a store's items, one row an item: features, for instance.
        """
        return self.source.fetch(plans, codes, rows)

    def batches(self, batches: Sequence[Sequence[int]], workers: int = 1) -> Iterator[Any]:
        """Batches of these episode indices in order, prepared by threads ahead of the step that uses them."""
        return prepared_ahead(self.batch, batches, workers)
