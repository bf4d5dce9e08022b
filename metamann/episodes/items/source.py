"""Episodes of the classes of a store, whatever the shape of their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.data.store import ClassStore
from metamann.episodes.episode import Classes, Episode, Examples, Stream
from metamann.episodes.source import Load, Source

if TYPE_CHECKING:
    from metamann.episodes.items.episode_protocol import EpisodeProtocol


class Plan(NamedTuple):
    """One episode as numbers, of the same shape for every episode of a protocol.

    Attributes:
        items: `positions`, rows of the store's `items`; 0 where padded.
        labels: `positions`, class numbers of the episode; `PADDING` where padded.
        n_classes: classes of the episode.
    """

    items: np.ndarray
    labels: np.ndarray
    n_classes: int


class ItemSource(Source[Plan, Episode | Stream]):
    """The items of a store, of any shape and kind, under a protocol.

    Args:
        store: the classes to draw from.
        protocol: what an episode is.

    Raises:
        EpisodeError: if the store cannot give such episodes.

    Examples:
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> store = ClassStore.from_classes("rows", [torch.zeros(2, 8)] * 3, ["a", "b", "c"], [""] * 3)
        >>> source = NWayKShot(ways=2, shots=1, queries=1).source(store)
        >>> source.draw(0, np.random.default_rng(0))
        Plan(items=array([5, 3, 2, 4]), labels=array([1, 0, 0, 1]), n_classes=2)
    """

    arrays: ClassVar[Mapping[str, type]] = dict.fromkeys(Plan._fields, np.int64)
    store: ClassStore
    protocol: EpisodeProtocol

    def __init__(self, store: ClassStore, protocol: EpisodeProtocol) -> None:
        protocol.check(store)
        super().__init__(store, protocol)
        self.n_episodes = protocol.n_episodes

    def draw(self, index: int, rng: np.random.Generator) -> Plan:
        """Items and labels of episode `index`."""
        return self.protocol.draw(self.store, index, rng)

    def codes(self, rng: np.random.Generator) -> np.ndarray:
        """Codes of the classes, `ways x width`."""
        return self.protocol.codes.draw(self.protocol.max_ways, rng)

    def fetch(self, plans: Sequence[Plan], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> Episode | Stream:
        """Items of planned episodes, gathered by one flat `index_select`; see `Sampler.fetch`."""
        items = torch.from_numpy(np.stack([plan.items for plan in plans]))
        labels = torch.from_numpy(np.stack([plan.labels for plan in plans]))
        flat = (self.store.items if rows is None else rows).index_select(0, items.flatten())
        inputs = flat.view(*items.shape, *flat.shape[1:])
        classes = Classes(torch.tensor([plan.n_classes for plan in plans]), torch.from_numpy(np.stack(codes)))
        size = self.protocol.support_size
        if size is None:
            return Stream(inputs, labels, classes)
        return Episode(
            Examples(inputs[:, :size], labels[:, :size]), Examples(inputs[:, size:], labels[:, size:]), classes
        )

    def positions(self, plans: Sequence[Plan]) -> int:
        """Items of a batch."""
        return len(plans) * len(plans[0].items)

    def pack(self, plans: Sequence[Plan]) -> dict[str, np.ndarray]:
        """`items` and `labels`, `episodes x positions`, and `n_classes`, `episodes`."""
        return {
            "items": np.stack([plan.items for plan in plans]).astype(np.int64),
            "labels": np.stack([plan.labels for plan in plans]).astype(np.int64),
            "n_classes": np.array([plan.n_classes for plan in plans], dtype=np.int64),
        }

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> list[Plan]:
        """The rows of the arrays; see `Source.unpack`."""
        items, labels, n_classes = (arrays[name] for name in self.arrays)
        if items.ndim != 2 or labels.shape != items.shape or n_classes.shape != items.shape[:1]:
            raise ValueError("its arrays do not fit")
        return list(map(Plan, items, labels, n_classes.tolist()))

    def class_ids(self, plan: Plan) -> np.ndarray:
        """Numbers of the store's classes."""
        rows = [plan.items[np.flatnonzero(plan.labels == label)[0]] for label in range(plan.n_classes)]
        return np.array([self.store.class_of(int(row)) for row in rows])

    def loads(self) -> list[Load]:
        """Its classes, and the items whose labels the learner sees."""
        return [Load(self.protocol.max_ways, "classes"), Load(self.protocol.labelled_items, "items")]
