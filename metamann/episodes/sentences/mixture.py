"""Greedy episodes of a mixture of corpora: each comes from one of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from metamann.data.sentences.mixture import MixtureStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes import ranges
from metamann.episodes.sentences.greedy_source import GreedySource
from metamann.episodes.sentences.protocols import SentencePlan, SentenceSource
from metamann.episodes.sentences.table import SentenceTable

if TYPE_CHECKING:
    from metamann.episodes.sentences.greedy import GreedySentences


class MixtureSource(SentenceSource):
    """Draws a corpus by its weight, and an episode of it; a corpus with fewer types than ways gives all of them.

    Args:
        store: of the corpora.
        protocol: settings, checked.

    Raises:
        EpisodeError: if a corpus cannot give such episodes.

    Examples:
        >>> from metamann.data.sentences.mixture import mixed
        >>> from metamann.data.sentences.store import Sentence, Span
        >>> from metamann.episodes.sentences.greedy import GreedySentences
        >>> ada, alan = (Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in ("Ada", "Alan"))
        >>> store = mixed("toy", {"a": [ada, alan], "b": [ada, alan]}, weights={"a": 1, "b": 1})
        >>> MixtureSource(store, GreedySentences(ways=5, shots=1)).max_ways  # a corpus has one type
        1
    """

    protocol: GreedySentences

    def __init__(self, store: MixtureStore, protocol: GreedySentences) -> None:
        super().__init__(store, protocol, SentenceTable.of(store.sentences, store.lexicon, store.types))
        self._weights = np.array(store.weights) / sum(store.weights)
        self._sources = [_source(corpus, protocol) for corpus in store.corpora]
        self._first_row = np.cumsum([0, *(len(corpus.sentences) for corpus in store.corpora)])
        number_of = {name: number for number, name in enumerate(store.types)}
        self._types = [np.array([number_of[name] for name in corpus.types]) for corpus in store.corpora]

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""
        return max(source.max_ways for source in self._sources)

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """Draw one episode; see `GreedySource.draw`."""
        corpus = int(rng.choice(len(self._sources), p=self._weights))
        support, query, types = self._sources[corpus].draw(index, rng)
        first = self._first_row[corpus]
        return SentencePlan(support + first, query + first, self._types[corpus][types])


def _source(corpus: SentenceStore, protocol: GreedySentences) -> GreedySource:
    """Of one corpus, with as many ways as it has types for."""
    table = SentenceTable.of(corpus.sentences, corpus.lexicon, corpus.types)
    source = GreedySource(corpus, dataclasses.replace(protocol, ways=1), table)
    low, high = (min(ways, source.most_ways) for ways in ranges.ends(protocol.ways))
    source.protocol = dataclasses.replace(protocol, ways=[low, high])
    return source
