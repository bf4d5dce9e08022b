"""The sampler: episode i is a pure function of (data fingerprint, protocol, seed, i)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from metamann.data.store import ClassStore
from metamann.episodes.ahead import prepared_ahead
from metamann.episodes.episode import Classes, Episode, Examples, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, Plan
from metamann.episodes.seeds import CODES, PLAN, Seeds


class Sampler:
    """Deals episodes of one store under one protocol.

    The same index gives the same episode for any batch size, number of workers and after any resume, so the
    whole state of a sampler is one integer that the caller keeps.

    Args:
        store: the classes to deal from.
        protocol: what an episode is.
        seed: of the sequence of episodes.

    Raises:
        EpisodeError: if the store cannot give such episodes.
        ConfigError: if the seed is none.
    """

    def __init__(self, store: ClassStore, protocol: EpisodeProtocol, seed: int = 0) -> None:
        protocol.check(store)
        self.store, self.protocol, self.seed = store, protocol, seed
        self._seeds = Seeds.of(store.fingerprint, protocol.describe(), seed)

    @property
    def n_episodes(self) -> int | None:
        """How many different episodes there are; None where they are drawn without end."""
        return self.protocol.n_episodes

    def plan(self, index: int) -> Plan:
        """Items and labels of episode `index`."""
        return self.protocol.draw(self.store, index, self._seeds.rng(index, PLAN))

    def codes(self, index: int) -> np.ndarray:
        """Label codes of episode `index`, `ways x width`: drawn apart, so that they leave its items alone."""
        return self.protocol.codes.draw(self.protocol.max_ways, self._seeds.rng(index, CODES))

    def batch(self, indices: Sequence[int]) -> Episode | Stream:
        """Plan these episodes and fetch their items."""
        return self.fetch([self.plan(index) for index in indices], [self.codes(index) for index in indices])

    def fetch(
        self, plans: Sequence[Plan], codes: Sequence[np.ndarray], rows: torch.Tensor | None = None
    ) -> Episode | Stream:
        """Items of planned episodes, taken by one flat `index_select` and left in uint8.

        Args:
            plans: of the episodes.
            codes: of their labels, `ways x width` each.
            rows: what to take in place of the store's items, one row an item: features, for instance.
        """
        items = torch.from_numpy(np.stack([plan.items for plan in plans]))
        labels = torch.from_numpy(np.stack([plan.labels for plan in plans]))
        taken = (self.store.items if rows is None else rows).index_select(0, items.flatten())
        inputs = taken.view(*items.shape, *taken.shape[1:])
        classes = Classes(torch.tensor([plan.n_classes for plan in plans]), torch.from_numpy(np.stack(codes)))
        size = self.protocol.support_size
        if size is None:
            return Stream(inputs, labels, classes)
        return Episode(
            Examples(inputs[:, :size], labels[:, :size]), Examples(inputs[:, size:], labels[:, size:]), classes
        )

    def batches(self, batches: Sequence[Sequence[int]], workers: int = 1) -> Iterator[Episode | Stream]:
        """Batches of these episode indices in order, prepared by threads ahead of the step that uses them."""
        return prepared_ahead(self.batch, batches, workers)
