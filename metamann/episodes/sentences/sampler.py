"""The sampler of sentences: episode i is a pure function of (data fingerprint, protocol, seed, i)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes.ahead import prepared_ahead
from metamann.episodes.episode import Classes, Episode, Examples
from metamann.episodes.seeds import CODES, PLAN, Seeds
from metamann.episodes.sentences.protocols import SentencePlan, SentenceProtocol
from metamann.episodes.sentences.tagging import n_tags
from metamann.episodes.sentences.type_names import TypeNames


class SentenceSampler:
    """Deals episodes of one store of sentences under one protocol.

    The same index gives the same episode for any batch size, number of workers and after any resume, so the
    whole state of a sampler is one integer that the caller keeps. Only the padding depends on the batch: it goes to the
    most sentences, and the longest, of the batch.

    Args:
        store: sentences to draw from, or episodes that are given.
        protocol: what an episode is.
        seed: of the sequence of episodes.

    Raises:
        EpisodeError: if the store cannot give such episodes.
        ConfigError: if the seed is none.
    """

    def __init__(self, store: SentenceStore | FixedEpisodeStore, protocol: SentenceProtocol, seed: int = 0) -> None:
        self.store, self.protocol, self.seed = store, protocol, seed
        self.source = protocol.source(store)
        self._names = TypeNames(self.source.table.types)
        self._seeds = Seeds.of(store.fingerprint, protocol.describe(), seed)

    @property
    def n_episodes(self) -> int | None:
        """How many different episodes there are; None where they are drawn without end."""
        return self.source.n_episodes

    def plan(self, index: int) -> SentencePlan:
        """Sentences and classes of episode `index`."""
        return self.source.draw(index, self._seeds.rng(index, PLAN))

    def codes(self, index: int) -> np.ndarray:
        """Codes of the tags of episode `index`, `tags x width`: drawn apart, so that they leave its sentences alone."""
        tags = n_tags(self.protocol.scheme, self.source.max_ways)
        return self.protocol.codes.draw(tags, self._seeds.rng(index, CODES))

    def batch(self, indices: Sequence[int]) -> Episode:
        """Plan these episodes and fetch their sentences."""
        return self.fetch([self.plan(index) for index in indices], [self.codes(index) for index in indices])

    def fetch(self, plans: Sequence[SentencePlan], codes: Sequence[np.ndarray]) -> Episode:
        """Words and tags of planned episodes.

        Args:
            plans: of the episodes.
            codes: of their tags, `tags x width` each.
        """
        table, scheme, types = self.source.table, self.protocol.scheme, [plan.types for plan in plans]
        support, query = (
            Examples(table.text(rows), table.tags(rows, types, scheme))
            for rows in ([plan.support for plan in plans], [plan.query for plan in plans])
        )
        ways = [n_tags(scheme, len(numbers)) for numbers in types]
        classes = Classes(torch.tensor(ways), torch.from_numpy(np.stack(codes)), self._names.text(types))
        return Episode(support, query, classes)

    def batches(self, batches: Sequence[Sequence[int]], workers: int = 1) -> Iterator[Episode]:
        """Batches of these episode indices in order, prepared by threads ahead of the step that uses them."""
        return prepared_ahead(self.batch, batches, workers)
