"""The online stream: the label of each item arrives one step late.

References:
    [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, 2016.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from metamann.data.store import ClassStore
from metamann.episodes import ranges
from metamann.episodes.items.class_draws import Need, check_classes, check_items, draw_classes, draw_items
from metamann.episodes.items.episode_protocol import EpisodeProtocol
from metamann.episodes.items.source import Plan
from metamann.episodes.label_codes import LabelCodes
from metamann.errors import EpisodeError


@dataclasses.dataclass(frozen=True)
class OnlineStream(EpisodeProtocol):
    """T items of C classes in random order; the label of an item is visible one step after it [S16].

    Attributes:
        ways: classes C of a stream, a number or a range `[low, high]` to draw from for every stream.
        steps: items T of a stream, divided among the classes as evenly as possible.
        within_group: take all classes of a stream from one group (alphabet).
        codes: the vectors that stand for labels.

    Examples:
        >>> import torch
        >>> items = torch.zeros(3, 4, 1, 28, 28, dtype=torch.uint8)  # 3 classes of 4 images
        >>> store = ClassStore.from_classes("zeros", list(items), ["a", "b", "c"], [""] * 3)
        >>> plan = OnlineStream(ways=2, steps=6).source(store).draw(0, np.random.default_rng(0))
        >>> plan.labels
        array([1, 0, 0, 1, 1, 0])
    """

    ways: int | Sequence[int] = 5
    steps: int = 50
    within_group: bool = False
    codes: LabelCodes = dataclasses.field(default_factory=LabelCodes)

    @property
    def max_ways(self) -> int:
        """Classes of the largest stream."""
        return ranges.ends(self.ways)[1]

    @property
    def support_size(self) -> None:
        """A stream has no support set: every item is a query first and support from then on."""
        return None

    @property
    def labelled_items(self) -> int:
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
        """Draw one stream: `steps` positions in the order in which the learner sees them."""
        ways = ranges.draw(self.ways, rng)
        classes = draw_classes(store, ways, self.within_group, rng)
        sizes = np.full(ways, self.steps // ways)
        # classes with one item more are drawn: if they were always the first, labels could be guessed
        sizes[rng.choice(ways, self.steps % ways, replace=False)] += 1
        labels = np.repeat(np.arange(ways), sizes)
        items = np.concatenate(
            [draw_items(store, class_id, size, rng) for class_id, size in zip(classes, sizes, strict=True)]
        )
        order = rng.permutation(self.steps)
        return Plan(items[order], labels[order], ways)
