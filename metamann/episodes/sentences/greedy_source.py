"""Greedy episodes of one corpus: its sentences, indexed by the set of types that they hold; see `greedy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes import ranges
from metamann.episodes.sentences.protocols import SentencePlan, SentenceSource
from metamann.episodes.sentences.table import SentenceTable
from metamann.errors import EpisodeError

if TYPE_CHECKING:
    from metamann.episodes.sentences.greedy import GreedySentences

REDRAWS = 100
CANDIDATES_AT_ONCE = 256  # whose counts are compared by one operation


class GreedySource(SentenceSource):
    """Sentences, indexed by the set of types that they hold.

    Args:
        store: the sentences.
        protocol: settings, checked.
        table: of the sentences.

    Raises:
        EpisodeError: if there are too few types or empty sentences.

    Examples:
        >>> from metamann.data.sentences.store import Sentence, Span
        >>> from metamann.episodes.sentences.greedy import GreedySentences
        >>> names = ("Ada", "Grace", "Alan")
        >>> store = SentenceStore("toy", tuple(Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in names))
        >>> GreedySentences(ways=1, shots=1).source(store).header()["data"]
        'toy'
    """

    protocol: GreedySentences

    def __init__(
        self, store: SentenceStore | FixedEpisodeStore, protocol: GreedySentences, table: SentenceTable
    ) -> None:
        super().__init__(store, protocol, table)
        self._every_type = np.arange(len(table.types))
        entities = table.entities(protocol.scheme)
        self._entities = np.ascontiguousarray(entities.T)  # types x sentences
        # kinds of sentences: the distinct sets of types, and the sentences of each kind
        self._kinds, kind_of = np.unique(entities > 0, axis=0, return_inverse=True)
        by_kind = np.argsort(kind_of.ravel(), kind="stable")
        self._rows_of_kind = np.split(by_kind, np.cumsum(np.bincount(kind_of.ravel()))[:-1])
        self._common_types = np.flatnonzero(self._entities.sum(1) >= self._needed)
        self._check()

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""
        return ranges.ends(self.protocol.ways)[1]

    @property
    def _needed(self) -> int:
        """The least number of entities that a class must have for the largest episode."""
        queries = self.protocol.shots if self.protocol.queries is None else self.protocol.queries
        return ranges.ends(self.protocol.shots)[1] + ranges.ends(queries)[1]

    @property
    def most_ways(self) -> int:
        """Types with entities enough for the largest episode."""
        return len(self._common_types)

    def _check(self) -> None:
        available = self.most_ways
        if self.max_ways > available:
            raise EpisodeError(
                f"{self.max_ways}-way episodes need {self.max_ways} types with at least {self._needed} entities, but "
                f"'{self.store.name}' has {available} among its {len(self.table.types)}. Lower protocol.ways to at "
                f"most {available}, lower protocol.shots or protocol.queries, or take more data."
            )
        empty = 2 * ranges.ends(self.protocol.empty_sentences)[1]
        if empty and not self.protocol.other_types:
            available = len(np.unique(self.table.texts[self._rows(~self._hold(self._every_type))]))
            if available < empty:
                raise EpisodeError(
                    f"protocol.empty_sentences={self.protocol.empty_sentences} needs {empty} sentences without any "
                    f"entity, but '{self.store.name}' has {available}. Lower it, or set protocol.other_types=true: "
                    "then sentences with entities of other types count too."
                )

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """Draw one episode.

        Raises:
            EpisodeError: if none of `REDRAWS` draws completes an episode.
        """
        for _ in range(REDRAWS):
            plan = self._attempt(rng)
            if plan is not None:
                return plan
        raise EpisodeError(
            f"{REDRAWS} draws from '{self.store.name}' gave no episode of {self.protocol.ways} ways, "
            f"{self.protocol.shots} shots and {self.protocol.queries or self.protocol.shots} queries: too few "
            "sentences fit. Lower protocol.ways, protocol.shots, protocol.queries or protocol.empty_sentences, set "
            "protocol.other_types=true, or take more data."
        )

    def _attempt(self, rng: np.random.Generator) -> SentencePlan | None:
        """One draw of an episode; None if the sentences do not suffice."""
        settings = self.protocol
        ways, shots = ranges.draw(settings.ways, rng), ranges.draw(settings.shots, rng)
        queries = shots if settings.queries is None else ranges.draw(settings.queries, rng)
        empty = ranges.draw(settings.empty_sentences, rng)
        types = rng.choice(self._common_types, ways, replace=False)
        allowed = np.ones(len(self._kinds), dtype=bool)
        # a sure answer draws nothing: such episodes stay what they are
        others = rng.random() < settings.other_types if 0 < settings.other_types < 1 else bool(settings.other_types)
        if not others:
            allowed = ~self._hold(np.setdiff1d(self._every_type, types))
        candidates = self._rows(self._hold(types) & allowed)
        used: set[int] = set()  # texts of this episode
        support = self._fill(rng.permutation(candidates), types, shots, used)
        query = self._fill(rng.permutation(candidates), types, queries, used)
        added = self._without(rng.permutation(self._rows(~self._hold(types) & allowed)), 2 * empty, used)
        if support is None or query is None or added is None:
            return None
        # in the order of drawing, the last sentences would reveal which classes are rare
        return SentencePlan(rng.permutation(support + added[:empty]), rng.permutation(query + added[empty:]), types)

    def _fill(self, order: np.ndarray, types: np.ndarray, shots: int, used: set[int]) -> list[int] | None:
        """Accept sentences in this order until each type has its shots; None if they do not suffice."""
        rows: list[int] = []
        entities = np.zeros(len(types), dtype=np.int64)  # of each type so far
        for start in range(0, len(order), CANDIDATES_AT_ONCE):
            part = order[start : start + CANDIDATES_AT_ONCE]
            counts = self._entities[types[:, None], part]  # classes x candidates
            position = 0
            while True:
                room, missing = 2 * shots - entities, entities < shots
                if not missing.any():
                    return rows
                ahead = counts[:, position:]
                fits = (ahead <= room[:, None]).all(0) & ahead[missing].any(0)
                if not fits.any():
                    break
                position += int(fits.argmax())
                text = int(self.table.texts[part[position]])
                if text not in used:
                    used.add(text)
                    rows.append(int(part[position]))
                    entities += counts[:, position]
                position += 1
        return rows if (entities >= shots).all() else None

    def _without(self, order: np.ndarray, number: int, used: set[int]) -> list[int] | None:
        """The first sentences of an order whose texts are not used yet; None if they do not suffice."""
        rows: list[int] = []
        for row in order:
            if len(rows) == number:
                break
            text = int(self.table.texts[row])
            if text not in used:
                used.add(text)
                rows.append(int(row))
        return rows if len(rows) == number else None

    def _hold(self, types: np.ndarray) -> np.ndarray:
        """Kinds of sentences with at least one of the types."""
        return np.asarray(self._kinds[:, types].any(1))

    def _rows(self, kinds: np.ndarray) -> np.ndarray:
        """Sentences of the kinds that the mask selects."""
        rows = [self._rows_of_kind[kind] for kind in np.flatnonzero(kinds)]
        return np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
