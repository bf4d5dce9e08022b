"""Episodes of sentences that others have published, or that a user's files define: nothing is sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, SentenceStore
from metamann.episodes.label_codes import LabelCodes
from metamann.episodes.sentences.protocols import SentencePlan, SentenceProtocol, SentenceSource
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, check_scheme, n_tags
from metamann.errors import ConfigError, EpisodeError


@dataclasses.dataclass(frozen=True)
class FixedSentences(SentenceProtocol):
    """Support, query and types of every episode come from the store; only the class numbers are drawn at random.

    Attributes:
        shuffled: draw one of the episodes at random for every index, for meta-training; otherwise they are repeated in
            the order of their file.
        scheme: `io` or `bio`.
        codes: the vectors that stand for tags.

    Examples:
        >>> from metamann.data.sentences.store import Span
        >>> ada, grace = (Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in ("Ada", "Grace"))
        >>> store = FixedEpisodeStore("toy", (FixedEpisode((ada,), (grace,), ("person",)),))
        >>> FixedSentences().source(store).draw(0, np.random.default_rng(0))
        SentencePlan(support=array([0]), query=array([1]), types=array([0]))
    """

    shuffled: bool = False
    scheme: TagScheme = "bio"
    codes: LabelCodes = dataclasses.field(default_factory=LabelCodes)

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "fixed_sentences",
            "shuffled": self.shuffled,
            "scheme": self.scheme,
            "codes": dataclasses.asdict(self.codes),
        }

    def source(self, store: SentenceStore | FixedEpisodeStore) -> FixedSource:
        """Index a store.

        Raises:
            EpisodeError: if a setting is unknown, or the store has no episodes.
        """
        check_scheme(self.scheme)
        if store.episodes is None:
            raise EpisodeError(f"'{store.name}' has sentences, but no episodes of them; set protocol=greedy_sentences.")
        if not store.episodes:
            raise EpisodeError(f"'{store.name}' has no episodes; choose another split.")
        source = FixedSource(store, self, store.episodes)
        self.codes.check(n_tags(self.scheme, source.max_ways))
        return source

    def code_width(self) -> int:
        """Width of the codes of tags.

        Raises:
            ConfigError: if it is not set: the classes of published episodes are not known before they are read.
        """
        if self.codes.width is None:
            raise ConfigError(
                "published episodes have any number of classes; set protocol.codes.width, for instance to 64."
            )
        return self.codes.width


class FixedSource(SentenceSource):
    """The episodes of a store as rows of its distinct sentences.

    Args:
        store: the sentences.
        protocol: settings, checked.
        episodes: of the store, at least one.

    Examples:
        >>> from metamann.data.sentences.store import Span
        >>> ada, grace = (Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in ("Ada", "Grace"))
        >>> store = FixedEpisodeStore("toy", (FixedEpisode((ada,), (grace,), ("person",)),))
        >>> FixedSentences().source(store).max_ways
        1
    """

    protocol: FixedSentences

    def __init__(
        self,
        store: SentenceStore | FixedEpisodeStore,
        protocol: FixedSentences,
        episodes: Sequence[FixedEpisode],
    ) -> None:
        row_of: dict[Sentence, int] = {}
        rows_of: dict[int, np.ndarray] = {}  # by identity: a test set that all episodes share is looked up once

        def rows(sentences: tuple[Sentence, ...]) -> np.ndarray:
            if id(sentences) not in rows_of:
                numbers = [row_of.setdefault(sentence, len(row_of)) for sentence in sentences]
                rows_of[id(sentences)] = np.array(numbers, dtype=np.int64)
            return rows_of[id(sentences)]

        parts = [(rows(episode.support), rows(episode.query)) for episode in episodes]
        names = {span.type for sentence in row_of for span in sentence.spans}.union(store.types)
        super().__init__(store, protocol, SentenceTable.of(tuple(row_of), store.lexicon, tuple(sorted(names))))
        type_number = {name: number for number, name in enumerate(self.table.types)}
        self._plans = [
            SentencePlan(*part, np.array([type_number[name] for name in episode.types], dtype=np.int64))
            for part, episode in zip(parts, episodes, strict=True)
        ]
        self.n_episodes = len(self._plans)

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""
        return max(len(plan.types) for plan in self._plans)

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """The episode of this index, its support and classes in random order."""
        episode = rng.integers(len(self._plans)) if self.protocol.shuffled else index % len(self._plans)
        support, query, types = self._plans[episode]
        return SentencePlan(rng.permutation(support), query, rng.permutation(types))
