"""Supervised tagging as episodes: an empty support, fixed class numbers, a few sentences in the query."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes import ranges
from metamann.episodes.label_codes import LabelCodes
from metamann.episodes.sentences.protocols import SentencePlan, SentenceProtocol, SentenceSource
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, check_scheme, n_tags
from metamann.episodes.source import Load
from metamann.errors import EpisodeError


@dataclasses.dataclass(frozen=True)
class Supervised(SentenceProtocol):
    """The sentences of a store in blocks, one block for each episode.

    Attributes:
        types: the types to tag, in the order of their numbers; None stands for those of the training data, which
            replace it before episodes are drawn.
        sentences: number of sentences of an episode.
        shuffled: for training: every episode holds sentences of similar length, drawn at random; otherwise they are
            repeated in the order of their file.
        scheme: `io` or `bio`.
        codes: the vectors that stand for tags.

    Examples:
        >>> from metamann.data.sentences.store import Sentence, Span
        >>> store = SentenceStore("toy", (Sentence(("Ada", "codes"), (Span(0, 1, "person"),)),) * 3)
        >>> Supervised(types=["person"], sentences=2).source(store).draw(0, np.random.default_rng(0)).query
        array([0, 1])
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
        """The protocol with the types of the training data, unless it has types already."""
        return dataclasses.replace(self, types=tuple(types)) if self.types is None else self


class SupervisedSource(SentenceSource):
    """Sentences in blocks.

    Args:
        store: the sentences.
        protocol: settings, checked.
        table: of the sentences.

    Examples:
        >>> from metamann.data.sentences.store import Sentence, Span
        >>> store = SentenceStore("toy", (Sentence(("Ada", "codes"), (Span(0, 1, "person"),)),) * 3)
        >>> Supervised(types=["person"], sentences=2).source(store).n_episodes
        2
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
        """Nothing: the support is empty."""
        return []

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """The block of this index, or a random one of sentences of similar length."""
        size, rows = self.protocol.sentences, np.arange(len(self.table))
        block = index % self.n_episodes
        if self.protocol.shuffled:
            # sorted by length, and at random among equal lengths: every block is equally likely
            rows = np.lexsort((rng.random(len(rows)), self.table.sizes))
            block = int(rng.integers(self.n_episodes))
        return SentencePlan(
            np.zeros(0, dtype=np.int64), rows[block * size : (block + 1) * size], np.arange(self.max_ways)
        )
