"""N-way K-shot episodes.

References:
    [V16] Vinyals et al., Matching Networks for One Shot Learning, 2016.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
from metamann.episodes.items.episode_protocol import EpisodeProtocol
from metamann.episodes.items.source import Plan
from metamann.episodes.label_codes import LabelCodes


@dataclasses.dataclass(frozen=True)
class NWayKShot(EpisodeProtocol):
    """N classes, K support and Q query items of each [V16].

    Attributes:
        ways: classes of an episode, a number or a range `[low, high]` to draw from for every episode.
        shots: support items of a class, a number or a range; one number for all classes of an episode.
        queries: query items of a class.
        within_group: take all classes of an episode from one group (alphabet).
        groups: number of groups to take equally many classes from, so that an episode has many classes of which some
            are hard to tell apart; None takes no account of groups.
        codes: the vectors that stand for labels.

    Examples:
        >>> import torch
        >>> items = torch.zeros(3, 4, 1, 28, 28, dtype=torch.uint8)  # 3 classes of 4 images
        >>> store = ClassStore.from_classes("zeros", list(items), ["a", "b", "c"], [""] * 3)
        >>> plan = NWayKShot(ways=2, shots=1, queries=3).source(store).draw(0, np.random.default_rng(0))
        >>> plan.labels  # 2 of the support, 6 of the query
        array([0, 1, 1, 0, 0, 0, 1, 1])
    """

    ways: int | Sequence[int] = 5
    shots: int | Sequence[int] = 1
    queries: int = 15
    within_group: bool = False
    groups: int | None = None
    codes: LabelCodes = dataclasses.field(default_factory=LabelCodes)

    @property
    def max_ways(self) -> int:
        """Classes of the largest episode."""
        return ranges.ends(self.ways)[1]

    @property
    def support_size(self) -> int:
        """Positions of the support set, the largest ways times the largest shots."""
        return self.max_ways * ranges.ends(self.shots)[1]

    @property
    def labelled_items(self) -> int:
        """Those of the support set."""
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
        items = np.stack([draw_items(store, class_id, shots + self.queries, rng) for class_id in classes])
        labels = np.broadcast_to(np.arange(ways)[:, None], items.shape)
        support = rng.permutation(ways * shots)
        query = rng.permutation(ways * self.queries)
        support_padding = self.support_size - len(support)
        query_padding = self.max_ways * self.queries - len(query)
        return Plan(
            np.concatenate(
                [
                    np.pad(items[:, :shots].ravel()[support], (0, support_padding)),
                    np.pad(items[:, shots:].ravel()[query], (0, query_padding)),
                ]
            ),
            np.concatenate(
                [
                    np.pad(labels[:, :shots].ravel()[support], (0, support_padding), constant_values=PADDING),
                    np.pad(labels[:, shots:].ravel()[query], (0, query_padding), constant_values=PADDING),
                ]
            ),
            ways,
        )
