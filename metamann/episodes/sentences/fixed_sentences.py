"""Episodes of sentences as others have published them, or as a user's files give them: nothing is sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, SentenceStore
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sentences.protocols import SentencePlan, SentenceProtocol, SentenceSource
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, check_scheme, n_tags
from metamann.errors import ConfigError, EpisodeError


@dataclasses.dataclass(frozen=True)
class FixedSentences(SentenceProtocol):
    """Support, query and types of every episode are given; only the classes are numbered at random.

    Attributes:
        shuffled: draw one of the episodes at random for every index, for meta-training; otherwise they come in the
            order of their file, again and again.
        scheme: `io` or `bio`.
        codes: the vectors that stand for tags.
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
                "episodes that are given have any number of classes; set protocol.codes.width, to 64 say."
            )
        return self.codes.width


class FixedSource(SentenceSource):
    """The episodes of a store as rows of its distinct sentences.

    Args:
        store: the sentences.
        protocol: settings, checked.
        episodes: of the store, at least one.
    """

    protocol: FixedSentences

    def __init__(
        self,
        store: SentenceStore | FixedEpisodeStore,
        protocol: FixedSentences,
        episodes: Sequence[FixedEpisode],
    ) -> None:
        row_of: dict[Sentence, int] = {}
        numbered: dict[int, np.ndarray] = {}  # by identity: a test set that all episodes share is numbered once

        def rows(sentences: tuple[Sentence, ...]) -> np.ndarray:
            if id(sentences) not in numbered:
                numbers = [row_of.setdefault(sentence, len(row_of)) for sentence in sentences]
                numbered[id(sentences)] = np.array(numbers, dtype=np.int64)
            return numbered[id(sentences)]

        parts = [(rows(episode.support), rows(episode.query)) for episode in episodes]
        names = {span.type for sentence in row_of for span in sentence.spans}.union(store.types)
        super().__init__(store, protocol, SentenceTable.of(tuple(row_of), store.lexicon, tuple(sorted(names))))
        number = {name: position for position, name in enumerate(self.table.types)}
        self._plans = [
            SentencePlan(*part, np.array([number[name] for name in episode.types], dtype=np.int64))
            for part, episode in zip(parts, episodes, strict=True)
        ]
        self.n_episodes = len(self._plans)

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""
        return max(len(plan.types) for plan in self._plans)

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """The episode of this index; support and classes are put into random order."""
        which = rng.integers(len(self._plans)) if self.protocol.shuffled else index % len(self._plans)
        support, query, types = self._plans[which]
        return SentencePlan(rng.permutation(support), query, rng.permutation(types))
