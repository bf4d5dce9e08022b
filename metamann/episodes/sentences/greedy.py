"""Greedy N-way K~2K-shot episodes of sentences [D21], section 5, of one corpus or of a mixture of corpora.

The number of entities differs between sentences, so shots cannot be drawn one by one. Sentences are drawn until each
of the N classes has K entities; a sentence is accepted if at least one of its classes is still below K and none would
exceed 2K. Both conditions only get harder to meet, so a sentence that is rejected once is rejected for good. Drawing
with replacement until the episode is complete is therefore equivalent to one pass through a random order of the
sentences, which terminates. If the pass ends too early, a new episode is drawn, with new classes.

References:
    [D21] Ding et al., Few-NERD: A Few-shot Named Entity Recognition Dataset, 2021.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.mixture import MixtureStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes import ranges
from metamann.episodes.label_codes import LabelCodes
from metamann.episodes.sentences.greedy_source import GreedySource
from metamann.episodes.sentences.mixture import MixtureSource
from metamann.episodes.sentences.protocols import SentenceProtocol, SentenceSource
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, check_scheme, n_tags
from metamann.errors import EpisodeError, setting


@dataclasses.dataclass(frozen=True)
class GreedySentences(SentenceProtocol):
    """N classes, K to 2K entities of each in the support, Q to 2Q in the query; no text twice in an episode.

    Types that have fewer than K + Q entities are left out.

    Attributes:
        ways: classes N of an episode, a number or a range `[low, high]` to draw from for every episode.
        shots: fewest entities K of a class in the support, a number or a range.
        queries: fewest entities Q of a class in the query, a number or a range; None takes as many as the shots.
        other_types: include sentences that hold entities of other types too, tagged O, as in real text; otherwise all
            entities of a sentence are of the episode's classes. A number between 0 and 1 is the share of the episodes
            that include them.
        empty_sentences: sentences without an entity of the episode's classes, added to the support and as many to the
            query, a number or a range. Without `other_types` they have no entity at all.
        scheme: `io` or `bio`.
        codes: the vectors that stand for tags.

    Examples:
        >>> import numpy as np
        >>> from metamann.data.sentences.store import Sentence, Span
        >>> names = ("Ada", "Grace", "Alan")
        >>> store = SentenceStore("toy", tuple(Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in names))
        >>> GreedySentences(ways=1, shots=1).source(store).draw(0, np.random.default_rng(0))
        SentencePlan(support=array([2]), query=array([1]), types=array([0]))
    """

    ways: int | Sequence[int] = 5
    shots: int | Sequence[int] = 1
    queries: int | Sequence[int] | None = None
    other_types: bool | float = False
    empty_sentences: int | Sequence[int] = 0
    scheme: TagScheme = "io"
    codes: LabelCodes = dataclasses.field(default_factory=LabelCodes)

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "greedy_sentences",
            "ways": ranges.plain(self.ways),
            "shots": ranges.plain(self.shots),
            "queries": self.queries if self.queries is None else ranges.plain(self.queries),
            "other_types": self.other_types,
            "empty_sentences": ranges.plain(self.empty_sentences),
            "scheme": self.scheme,
            "codes": dataclasses.asdict(self.codes),
        }

    def source(self, store: SentenceStore | FixedEpisodeStore) -> SentenceSource:
        """Index a store.

        Raises:
            EpisodeError: if a setting is out of range, or the store cannot give such episodes.
        """
        for name in ("ways", "shots", "queries"):
            if name != "queries" or self.queries is not None:
                ranges.check(f"protocol.{name}", getattr(self, name))
        ranges.check("protocol.empty_sentences", self.empty_sentences, least=0)
        _check_share("protocol.other_types", self.other_types)
        check_scheme(self.scheme)
        self.codes.check(n_tags(self.scheme, ranges.ends(self.ways)[1]))
        if store.episodes is not None:
            raise EpisodeError(f"'{store.name}' is a list of published episodes; set protocol=fixed_sentences.")
        if isinstance(store, MixtureStore):
            return MixtureSource(store, self)
        return GreedySource(store, self, SentenceTable.of(store.sentences, store.lexicon, store.types))

    def code_width(self) -> int:
        """Width of the codes of tags."""
        tags = n_tags(self.scheme, ranges.ends(self.ways)[1])
        return tags if self.codes.width is None else self.codes.width


def _check_share(name: str, value: object) -> None:
    """Refuse what is neither true, false nor a number from 0 to 1.

    Raises:
        EpisodeError: with the setting's name.
    """
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise EpisodeError(f"{name}={setting(value)} must be true, false, or a share of the episodes from 0 to 1.")
