"""No memory: the same controller alone, the honest control of every experiment.

References:
    [H23] Huisman et al., Are LSTMs Good Few-Shot Learners?, Machine Learning 112, 2023: items come with their labels.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from metamann.errors import ConfigError, check_choice, check_number
from metamann.memory.controlled.controlled import ControlledMemory, check_code_width
from metamann.memory.controlled.controllers import ControllerState
from metamann.memory.controlled.options import ControlledOptions, ControllerOptions, filled
from metamann.memory.interface import keep


class ControllerOnlyState(NamedTuple):
    """What the controller remembers; see `ControlledMemory`. What is read has width 0."""

    read: Tensor
    read_weights: Tensor
    hidden: Tensor
    cell: Tensor
    previous_item: Tensor
    previous_code: Tensor


class ControllerOnly(ControlledMemory[ControllerOnlyState]):
    """A controller with nothing beside it; `features` and `code_width` as in `ControlledMemory`.

    Args:
        label: `late`, it is an input of the next step, as for every controller here; `beside`, it stands beside its
            item, in a second step that answers nothing, so that no item has to be carried on to be bound to its label
            [H23]: twice the steps. A feedforward controller would forget it.
        start_scale: factor of the controller's weights and biases at the start. Above 1 the gates of a fresh network
            differ from item to item; at 1 they hardly do, and training stays on the plateau of chance for longer.
        options: see `ControllerOptions`.

    Raises:
        ConfigError: for another `label`, one beside its item with a feedforward controller, or a scale below 0.

    Examples:
        >>> memory, items = ControllerOnly(features=3, code_width=2, hidden=8), torch.rand(1, 4, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 4, 2), mask=torch.ones(1, 4, dtype=torch.bool))
        >>> reads.shape
        torch.Size([1, 4, 8])
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        label: Literal["late", "beside"] = "late",
        start_scale: float = 1.0,
        **options: Unpack[ControllerOptions],
    ) -> None:
        check_choice("memory.label", label, ("late", "beside"))
        check_number("memory.start_scale", start_scale, least=0)
        filled_in = filled(ControllerOptions, options)
        if label == "beside" and filled_in["controller"] == "feedforward":
            raise ConfigError("memory.controller=feedforward forgets a label beside its item; set memory.label=late.")
        no_heads: ControlledOptions = {**filled_in, "slots": 0, "heads": 0, "width": 0, "shortcut": False}
        super().__init__(features, code_width, no_heads, {}, "", "")
        self.label = label
        with torch.no_grad():
            for weight in self.controller.parameters():
                weight.mul_(start_scale)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> ControllerOnlyState:
        """No item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        fresh = self.fresh_controller(batch, code_width, like)
        return ControllerOnlyState(read_weights=like.new_zeros(batch, 0, 0), **fresh)

    def access(self, parts: dict[str, Tensor], state: ControllerOnlyState) -> ControllerOnlyState:
        """Nothing to write to, nothing to read."""
        return state

    def step(
        self, state: ControllerOnlyState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, ControllerOnlyState]:
        """One step, or one that answers and one that takes in the label; see `Memory.step`."""
        if self.label == "late":
            return super().step(state, features, codes, mask)
        check_code_width(codes.shape[-1], self.code_width)
        item, before = self.item(features), ControllerState(state.hidden, state.cell)
        code = F.pad(codes, (0, self.code_width - codes.shape[-1]))
        answer, _ = self.controller(torch.cat([item, torch.zeros_like(code)], -1), before)
        hidden, cell = self.controller(torch.cat([item, code], -1), before)
        return answer, keep(mask, state._replace(hidden=hidden, cell=cell), state)
