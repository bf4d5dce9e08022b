"""What an inner loop changes: the network of one episode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

from torch import Tensor

Self = TypeVar("Self", bound="AdaptedNetwork")


class AdaptedNetwork(ABC):
    """A network of one episode: its weights go their own way from the start that meta-training learns.

    The weights stay differentiable functions of the start. Nothing is written to the modules of the start, so that
    several threads may use several networks at once.
    """

    @classmethod
    @abstractmethod
    def of(cls: type[Self], start: Any) -> Self:
        """The network at its start.

        Args:
            start: a module that holds the network and the rates of its steps.
        """

    @abstractmethod
    def clone(self: Self) -> Self:
        """One that goes on from here by itself."""

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """The weights, in the order of the parameters of the start."""

    @abstractmethod
    def descend(self, gradients: Sequence[Tensor | None]) -> None:
        """One gradient step; weights whose gradient is None stay."""

    @abstractmethod
    def __call__(self, inputs: Any) -> Tensor:
        """The outputs of the network."""
