"""What every protocol of labelled items answers. A plan is item and class numbers only, no pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from metamann.data.store import ClassStore
from metamann.episodes.items.class_draws import Need
from metamann.episodes.items.source import ItemSource, Plan
from metamann.episodes.label_codes import LabelCodes


class EpisodeProtocol(ABC):
    """Settings of episodes of classes: which items of a store make an episode.

    Attributes:
        codes: the vectors that stand for labels.
    """

    codes: LabelCodes

    @property
    @abstractmethod
    def max_ways(self) -> int:
        """Classes of the largest episode."""

    @property
    @abstractmethod
    def support_size(self) -> int | None:
        """Positions of the support set, the rest are queries; None for a stream."""

    @property
    @abstractmethod
    def labelled_items(self) -> int:
        """Items of the largest episode whose labels the learner sees."""

    @property
    def n_episodes(self) -> int | None:
        """How many different episodes there are; None where they are drawn without end."""
        return None

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""

    @abstractmethod
    def check(self, store: ClassStore) -> None:
        """Refuse episodes that the store cannot give."""

    @abstractmethod
    def need(self) -> Need:
        """Items that each class must have for any of its episodes."""

    @abstractmethod
    def draw(self, store: ClassStore, index: int, rng: np.random.Generator) -> Plan:
        """Draw episode `index`, with random numbers of its own."""

    def source(self, store: ClassStore) -> ItemSource:
        """Index a store.

        Raises:
            EpisodeError: if it cannot give such episodes.
        """
        return ItemSource(store, self)

    def code_width(self) -> int:
        """Width of the label codes."""
        return self.max_ways if self.codes.width is None else self.codes.width
