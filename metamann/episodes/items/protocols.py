"""Protocols: which items make an episode. A plan is item and class numbers only, no pixels.

References:
    [V16] Vinyals et al., Matching Networks for One Shot Learning, 2016 (N-way K-shot).
    [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, 2016 (the online stream).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np

from metamann.data.store import ClassStore
from metamann.episodes import ranges
from metamann.episodes.episode import PADDING
from metamann.episodes.items.class_draws import (
    Need,
    check_classes,
    check_groups,
    check_items,
    draw_classes,
    draw_from_groups,
    draw_items,
)
from metamann.episodes.items.source import ItemSource, Plan
from metamann.errors import EpisodeError


class EpisodeProtocol(ABC):
    """Settings of episodes of classes: what is dealt of a store of labelled items.

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
    def told(self) -> int:
        """Items of the largest episode whose labels are told."""

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


@dataclasses.dataclass(frozen=True)
class LabelCodes:
    """The vectors that stand for the labels of an episode.

    Attributes:
        kind: `onehot`, or `random`: rows of a random rotation (orthonormal) where the width allows, else
            random unit vectors, fresh for every episode.
        width: of a code; None takes the number of classes.
    """

    kind: Literal["onehot", "random"] = "onehot"
    width: int | None = None

    def check(self, classes: int) -> None:
        """Refuse codes that cannot be drawn, or cannot tell so many classes apart.

        Raises:
            EpisodeError: with the setting to change.
        """
        if self.kind not in ("onehot", "random"):
            raise EpisodeError(f"protocol.codes.kind={self.kind} is unknown; choose onehot or random.")
        if self.width is not None:
            ranges.check("protocol.codes.width", self.width, ranged=False)
        if self.kind == "onehot" and self.width is not None and self.width < classes:
            raise EpisodeError(
                f"one-hot codes of width {self.width} cannot tell {classes} classes apart. Raise protocol.codes.width, "
                "or take protocol.codes.kind=random."
            )

    def draw(self, classes: int, rng: np.random.Generator) -> np.ndarray:
        """Codes of one episode, `classes x width`, float32."""
        width = self.width or classes
        if self.kind == "onehot":
            return np.eye(classes, width, dtype=np.float32)
        gaussian = rng.standard_normal((max(classes, width), width))
        if classes <= width:
            rotation, upper = np.linalg.qr(gaussian)
            # without the signs of the diagonal, the rotation would not be uniform
            codes = (rotation * np.sign(np.diag(upper)))[:classes]
        else:
            codes = gaussian / np.linalg.norm(gaussian, axis=1, keepdims=True)
        return codes.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class NWayKShot(EpisodeProtocol):
    """N classes, K support and Q query items of each [V16].

    Attributes:
        ways: classes of an episode, a number or a range `[low, high]` to draw from for every episode.
        shots: support items of a class, a number or a range; one number for all classes of an episode.
        queries: query items of a class.
        within_group: take all classes of an episode from one group (alphabet).
        groups: take equally many classes from each of so many groups: some are hard to tell apart, and many are there.
        codes: the vectors that stand for labels.
    """

    ways: int | Sequence[int] = 5
    shots: int | Sequence[int] = 1
    queries: int = 15
    within_group: bool = False
    groups: int | None = None
    codes: LabelCodes = LabelCodes()

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""
        return ranges.ends(self.ways)[1]

    @property
    def support_size(self) -> int:
        """Positions of the support set, the largest ways times the largest shots."""
        return self.max_ways * ranges.ends(self.shots)[1]

    @property
    def told(self) -> int:
        """The support set."""
        return self.support_size

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "nway_kshot",
            "ways": ranges.plain(self.ways),
            "shots": ranges.plain(self.shots),
            "queries": self.queries,
            "within_group": self.within_group,
            **({} if self.groups is None else {"groups": self.groups}),
            "codes": dataclasses.asdict(self.codes),
        }

    def check(self, store: ClassStore) -> None:
        """Refuse what the store cannot give.

        Raises:
            EpisodeError: with the numbers that do not fit.
        """
        ranges.check("protocol.ways", self.ways)
        ranges.check("protocol.shots", self.shots)
        ranges.check("protocol.queries", self.queries, ranged=False)
        if self.groups is not None:
            ranges.check("protocol.groups", self.groups, ranged=False)
            check_groups(store, self.ways, self.groups, self.within_group)
        self.codes.check(self.max_ways)
        check_classes(store, self.max_ways, self.within_group)
        check_items(store, self.need())

    def need(self) -> Need:
        """The largest shots and the queries.

        Raises:
            EpisodeError: if a setting is no such number.
        """
        ranges.check("protocol.shots", self.shots)
        shots = ranges.ends(self.shots)[1]
        return Need(
            shots + self.queries,
            f"{shots} shots and {self.queries} queries",
            "Lower protocol.shots or protocol.queries",
        )

    def draw(self, store: ClassStore, index: int, rng: np.random.Generator) -> Plan:
        """Draw one episode: support positions, then query positions, each in random order."""
        ways, shots = ranges.draw(self.ways, rng), ranges.draw(self.shots, rng)
        if self.groups is None:
            classes = draw_classes(store, ways, self.within_group, rng)
        else:
            classes = draw_from_groups(store, ways, self.groups, rng)
        items = np.stack([draw_items(store, number, shots + self.queries, rng) for number in classes])
        labels = np.broadcast_to(np.arange(ways)[:, None], items.shape)
        support = rng.permutation(ways * shots)
        query = rng.permutation(ways * self.queries)
        padding = self.support_size - len(support), self.max_ways * self.queries - len(query)
        return Plan(
            np.concatenate(
                [
                    np.pad(items[:, :shots].ravel()[support], (0, padding[0])),
                    np.pad(items[:, shots:].ravel()[query], (0, padding[1])),
                ]
            ),
            np.concatenate(
                [
                    np.pad(labels[:, :shots].ravel()[support], (0, padding[0]), constant_values=PADDING),
                    np.pad(labels[:, shots:].ravel()[query], (0, padding[1]), constant_values=PADDING),
                ]
            ),
            ways,
        )


@dataclasses.dataclass(frozen=True)
class OnlineStream(EpisodeProtocol):
    """T items of C classes in random order, the label of each shown one step late [S16].

    Attributes:
        ways: classes C of a stream, a number or a range `[low, high]` to draw from for every stream.
        steps: items T of a stream, dealt to the classes as evenly as they go.
        within_group: take all classes of a stream from one group (alphabet).
        codes: the vectors that stand for labels.
    """

    ways: int | Sequence[int] = 5
    steps: int = 50
    within_group: bool = False
    codes: LabelCodes = LabelCodes()

    @property
    def max_ways(self) -> int:
        """Classes of the largest stream."""
        return ranges.ends(self.ways)[1]

    @property
    def support_size(self) -> None:
        """A stream has no support set: every item is a query first and support from then on."""
        return None

    @property
    def told(self) -> int:
        """Every item, one step late."""
        return self.steps

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "online_stream",
            "ways": ranges.plain(self.ways),
            "steps": self.steps,
            "within_group": self.within_group,
            "codes": dataclasses.asdict(self.codes),
        }

    def check(self, store: ClassStore) -> None:
        """Refuse what the store cannot give.

        Raises:
            EpisodeError: with the numbers that do not fit.
        """
        ranges.check("protocol.ways", self.ways)
        ranges.check("protocol.steps", self.steps, ranged=False)
        self.codes.check(self.max_ways)
        check_classes(store, self.max_ways, self.within_group)
        if self.steps < self.max_ways:
            raise EpisodeError(
                f"{self.steps} steps cannot show {self.max_ways} classes. Raise protocol.steps to at least "
                f"{self.max_ways}, or lower protocol.ways."
            )
        check_items(store, self.need())

    def need(self) -> Need:
        """The largest share of the steps that a class can get.

        Raises:
            EpisodeError: if a setting is no such number.
        """
        ranges.check("protocol.ways", self.ways)
        fewest_ways, _ = ranges.ends(self.ways)
        return Need(
            -(-self.steps // fewest_ways),
            f"{self.steps} steps over {fewest_ways} classes",
            "Lower protocol.steps or raise protocol.ways",
        )

    def draw(self, store: ClassStore, index: int, rng: np.random.Generator) -> Plan:
        """Draw one stream: `steps` positions in the order they are shown."""
        ways = ranges.draw(self.ways, rng)
        classes = draw_classes(store, ways, self.within_group, rng)
        sizes = np.full(ways, self.steps // ways)
        # classes with one item more are drawn: were they always the first, labels could be guessed before they are told
        sizes[rng.choice(ways, self.steps % ways, replace=False)] += 1
        labels = np.repeat(np.arange(ways), sizes)
        items = np.concatenate(
            [draw_items(store, number, size, rng) for number, size in zip(classes, sizes, strict=True)]
        )
        order = rng.permutation(self.steps)
        return Plan(items[order], labels[order], ways)
