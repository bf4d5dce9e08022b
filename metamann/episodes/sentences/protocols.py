"""What a sampler of sentences needs of a protocol. A plan is sentence and type numbers only, no text."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme


class SentencePlan(NamedTuple):
    """One episode as numbers.

    Attributes:
        support: `sentences`, rows of the table, in random order.
        query: `sentences`, rows of the table.
        types: `classes`, type numbers of the table in the order of the class numbers, which is random.
    """

    support: np.ndarray
    query: np.ndarray
    types: np.ndarray


class SentenceSource(Protocol):
    """A store indexed once for one protocol."""

    @property
    def table(self) -> SentenceTable:
        """The sentences that plans number."""

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""

    @property
    def n_episodes(self) -> int | None:
        """How many different episodes there are; None where they are drawn without end."""

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        """Draw episode `index`, with random numbers of its own."""


@runtime_checkable
class SentenceProtocol(Protocol):
    """Settings of episodes of sentences."""

    @property
    def scheme(self) -> TagScheme:
        """How tags are numbered."""

    @property
    def codes(self) -> LabelCodes:
        """The vectors that stand for tags."""

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""

    def source(self, store: SentenceStore | FixedEpisodeStore) -> SentenceSource:
        """Index a store; refuse one that cannot give such episodes."""
