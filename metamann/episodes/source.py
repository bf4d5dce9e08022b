"""What a sampler draws from: a store indexed once for one protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from torch import Tensor

from metamann.episodes.seeds import Seeds

PlanOf = TypeVar("PlanOf", bound=tuple[Any, ...])
BatchOf = TypeVar("BatchOf")


class Load(NamedTuple):
    """The most that an episode writes into a memory.

    Attributes:
        number: of units.
        unit: what is counted.
    """

    number: int
    unit: str


class Store(Protocol):
    """What all stores have."""

    @property
    def name(self) -> str:
        """The name in errors and reports."""

    @property
    def fingerprint(self) -> str:
        """sha256 over the data."""


class TaskProtocol(Protocol):
    """What a sampler needs of a protocol, for any kind of data."""

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""

    def source(self, store: Any) -> Source[Any, Any]:
        """Index a store; refuse one that cannot give such episodes."""

    def code_width(self) -> int:
        """Width of the label codes; 0 where there are no labels."""


class Source(ABC, Generic[PlanOf, BatchOf]):
    """Plans episodes of one store under one protocol, and makes batches of them.

    A plan is a named tuple of numbers. For a task list, plans are packed into arrays with the names of its fields.

    Args:
        store: the data.
        protocol: what an episode is.

    Attributes:
        arrays: names of the packed arrays and their kinds.
        n_episodes: how many different episodes there are; None where they are drawn without end.
    """

    arrays: ClassVar[Mapping[str, type]]
    n_episodes: int | None = None

    def __init__(self, store: Store, protocol: TaskProtocol) -> None:
        self.store, self.protocol = store, protocol

    def header(self) -> dict[str, object]:
        """What episodes are drawn from, but for the seed."""
        return {
            "data": self.store.name,
            "fingerprint": self.store.fingerprint,
            "protocol": self.protocol.describe(),
        }

    def seeds(self, seed: int) -> Seeds:
        """Where the random numbers of all episodes come from.

        Raises:
            ConfigError: if the seed is not a whole number in range.
        """
        return Seeds.of([self.store.fingerprint, self.protocol.describe()], seed)

    @abstractmethod
    def draw(self, index: int, rng: np.random.Generator) -> PlanOf:
        """Plan episode `index`, with random numbers of its own."""

    @abstractmethod
    def codes(self, rng: np.random.Generator) -> np.ndarray:
        """Label codes of an episode, `labels x width`."""

    @abstractmethod
    def fetch(self, plans: Sequence[PlanOf], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> BatchOf:
        """The batch of planned episodes; see `Sampler.fetch`."""

    @abstractmethod
    def positions(self, plans: Sequence[PlanOf]) -> int:
        """Items, sentences or steps of a batch of these plans, padding counted."""

    @abstractmethod
    def pack(self, plans: Sequence[PlanOf]) -> dict[str, np.ndarray]:
        """Plans as `arrays`."""

    @abstractmethod
    def unpack(self, arrays: Mapping[str, np.ndarray]) -> list[PlanOf]:
        """Plans out of `arrays`, which come from a file.

        Raises:
            ValueError: if the arrays do not fit one another.
        """

    @abstractmethod
    def class_ids(self, plan: PlanOf) -> np.ndarray:
        """The class of the store that each class number of an episode stands for."""

    @abstractmethod
    def loads(self) -> list[Load]:
        """The most that an episode writes into a memory; empty if it has no labels to learn from."""

    def batches(
        self, plans: Sequence[PlanOf], codes: Callable[[int], np.ndarray], size: int, rows: Tensor | None = None
    ) -> Iterator[BatchOf]:
        """Episodes in order, in batches of at most `size` positions, or of one episode that has more.

        Args:
            plans: of all episodes.
            codes: the label codes of an episode, by its index.
            size: positions of a batch.
            rows: as in `fetch`.
        """
        start = 0
        while start < len(plans):
            stop = start + 1
            while stop < len(plans) and self.positions(plans[start : stop + 1]) <= size:
                stop += 1
            yield self.fetch(plans[start:stop], [codes(index) for index in range(start, stop)], rows)
            start = stop
