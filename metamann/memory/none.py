"""No memory: the same controller alone, the honest control of every experiment."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from metamann.memory.controlled import ControlledMemory


class ControllerOnlyState(NamedTuple):
    """What the controller remembers; see `ControlledMemory`. What is read has width 0."""

    read: Tensor
    read_weights: Tensor
    hidden: Tensor
    cell: Tensor
    told_item: Tensor
    told_code: Tensor


class ControllerOnly(ControlledMemory[ControllerOnlyState]):
    """A controller with nothing beside it.

    Args:
        features: width of the features.
        code_width: width of the label codes.
        item_width: features are projected to this width and normalised; None takes them as they are.
        controller: `lstm`, `gru` or `feedforward`.
        hidden: width of the controller.
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        item_width: int | None = 128,
        controller: Literal["lstm", "gru", "feedforward"] = "lstm",
        hidden: int = 200,
    ) -> None:
        super().__init__(features, code_width, item_width, controller, hidden, 0, 0, {}, "", "", shortcut=False)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> ControllerOnlyState:
        """Nothing told.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        fresh = self.fresh_controller(batch, code_width, like)
        return ControllerOnlyState(read_weights=like.new_zeros(batch, 0, 0), **fresh)

    def access(self, parts: dict[str, Tensor], state: ControllerOnlyState) -> ControllerOnlyState:
        """Nothing to write to, nothing to read."""
        return state
