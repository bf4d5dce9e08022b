"""Supervised tagging as episodes: nothing in the support, the same class numbers in all, a few sentences to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes import ranges
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sentences.protocols import SentencePlan, SentenceProtocol, SentenceSource
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, check_scheme, n_tags
from metamann.episodes.source import Load
from metamann.errors import EpisodeError


@dataclasses.dataclass(frozen=True)
class Supervised(SentenceProtocol):
    """The sentences of a store, dealt to episodes of a few.

    Attributes:
        types: those that are tagged, in the order of their numbers; None stands for those of the training part, and is
            replaced by them before episodes are dealt.
        sentences: of an episode.
        shuffled: for training: every episode holds sentences of like length, drawn at random; otherwise they come in
            the order of their file, again and again.
        scheme: `io` or `bio`.
    """

    types: Sequence[str] | None = None
    sentences: int = 32
    shuffled: bool = False
    scheme: TagScheme = "bio"
    codes: LabelCodes = dataclasses.field(default_factory=LabelCodes)

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "supervised",
            "types": list(self.types or ()),
            "sentences": self.sentences,
            "shuffled": self.shuffled,
            "scheme": self.scheme,
        }

    def source(self, store: SentenceStore | FixedEpisodeStore) -> SupervisedSource:
        """Index a store.

        Raises:
            EpisodeError: if a setting is no such number, or the store has episodes, other types or no sentences.
        """
        ranges.check("protocol.sentences", self.sentences, ranged=False)
        check_scheme(self.scheme)
        if store.episodes is not None:
            raise EpisodeError(
                f"'{store.name}' is a list of few-shot episodes, not of supervised data; set protocol=fixed_sentences."
            )
        types = tuple(self.types or ())
        unknown = sorted(set(store.types) - set(types))
        if unknown or not types or not store.sentences:
            raise EpisodeError(
                f"'{store.name}' has {len(store.sentences)} sentences and {len(unknown)} types that are not tagged here"
                f"{', such as ' + repr(unknown[0]) if unknown else ''}. Supervised data have the same types in all "
                "splits: set protocol=greedy_sentences for few-shot episodes, or protocol.types to the types."
            )
        return SupervisedSource(store, self, SentenceTable.of(store.sentences, store.lexicon, types))

    def code_width(self) -> int:
        """Width of the codes of tags."""
        return n_tags(self.scheme, len(self.types or ())) if self.codes.width is None else self.codes.width

    def with_types(self, types: Sequence[str]) -> Supervised:
        """The types of the training part are tagged, unless the protocol says which."""
        return dataclasses.replace(self, types=tuple(types)) if self.types is None else self


class SupervisedSource(SentenceSource):
    """Sentences in blocks.

    Args:
        store: the sentences.
        protocol: settings, checked.
        table: of the sentences.
    """

    protocol: Supervised

    def __init__(self, store: SentenceStore | FixedEpisodeStore, protocol: Supervised, table: SentenceTable) -> None:
        super().__init__(store, protocol, table)
        self.n_episodes: int = -(-len(table) // protocol.sentences)

    @property
    def max_ways(self) -> int:
        """Types that are tagged."""
        return len(self.table.types)

    def loads(self) -> list[Load]:
        """Nothing: no label is told."""
        return []

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """The block of this index, or one of like length at random."""
        size, rows = self.protocol.sentences, np.arange(len(self.table))
        block = index % self.n_episodes
        if self.protocol.shuffled:
            # sorted by length, with another order of those as long, every block is as likely as any other
            rows = np.lexsort((rng.random(len(rows)), self.table.sizes))
            block = int(rng.integers(self.n_episodes))
        return SentencePlan(
            np.zeros(0, dtype=np.int64), rows[block * size : (block + 1) * size], np.arange(self.max_ways)
        )
