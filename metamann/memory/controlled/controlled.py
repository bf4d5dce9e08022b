"""A recurrent controller beside a matrix of slots: what NTM, DNC and LRUA have in common.

    h_t     = controller([x_t; y_{t-1}; r_{t-1}], h_{t-1})
    parts   = linear layers of h_t: keys, vectors to write, gates, all that the access of a memory depends on
    r_t, .. = access(parts), the memory's own: it writes, addresses and reads
    output  = [h_t; r_t]

The label comes one step late, as in the online protocol of Santoro et al. 2016, section 2.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import ConfigError, check_size
from metamann.memory.controlled.controllers import Controller, ControllerState
from metamann.memory.controlled.options import ControlledOptions
from metamann.memory.interface import Memory, State, Trace, keep

# a NamedTuple of tensors, batch first, with at least these fields:
# `read`, `batch x heads * width`, what the last step read; `read_weights`, `batch x heads x slots`, its weights;
# `hidden` and `cell`, `batch x hidden`, of the controller (width 0 for the cell of a GRU); `previous_item` and
# `previous_code`, the last item and its label, inputs of the next step
ControlledState = TypeVar("ControlledState", bound=Any)


class ControlledMemory(Memory[ControlledState]):
    """The loop around `access`, the rule of a memory.

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it.
        options: of controller and heads, all of them.
        parts: inputs of `access`: name and width of each part.
        key: the part that holds the read keys, `heads * width` wide.
        written: the part that holds the vectors to write, `width` for each write head.
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        options: ControlledOptions,
        parts: Mapping[str, int],
        key: str,
        written: str,
    ) -> None:
        super().__init__()
        item_width, hidden, shortcut = options["item_width"], options["hidden"], options["shortcut"]
        heads, width, self.slots = options["heads"], options["width"], options["slots"]
        self.item_width, self.code_width = item_width or features, code_width
        self.heads, self.width = heads, width
        self.item = item_projection(features, item_width)
        self.controller = Controller(options["controller"], self.item_width + code_width + heads * width, hidden)
        self.interface = nn.ModuleDict({name: nn.Linear(hidden, size) for name, size in parts.items()})
        self.key_part, self.written_part = key, written
        self.shortcut = _Shortcut(self.item_width, code_width, parts[key], parts[written], width) if shortcut else None
        self.read_width, self.controller_width = hidden + heads * width, hidden
        if shortcut:
            # at the start the shortcut alone decides; the controller grows into both
            for name in (key, written):
                for parameter in self.interface[name].parameters():
                    nn.init.zeros_(parameter)

    @property
    def capacity(self) -> int | None:
        """Its slots, if it has any."""
        return self.slots or None

    def start_part(self, name: str, bias: float | Tensor) -> None:
        """Let a part start from this value, whatever the state of the controller."""
        layer = self.interface[name]
        assert isinstance(layer, nn.Linear)
        with torch.no_grad():
            layer.bias.copy_(torch.as_tensor(bias))

    @abstractmethod
    def initial_state(self, batch: int, code_width: int, like: Tensor) -> ControlledState:
        """Fresh memory and `fresh_controller`; see `Memory.initial_state`."""

    @abstractmethod
    def access(self, parts: dict[str, Tensor], state: ControlledState) -> ControlledState:
        """Write, address and read.

        Args:
            parts: `batch x width` of each.
            state: what came before.

        Returns:
            The state with the memory's own tensors, `read` and `read_weights` renewed; the rest is the loop's.
        """

    def fresh_controller(self, batch: int, code_width: int, like: Tensor) -> dict[str, Tensor]:
        """The tensors of the state that belong to the loop: nothing read, no item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        check_code_width(code_width, self.code_width)
        hidden, cell = self.controller.initial_state(batch, like)
        return {
            "read": like.new_zeros(batch, self.heads * self.width),
            "hidden": hidden,
            "cell": cell,
            "previous_item": like.new_zeros(batch, self.item_width),
            "previous_code": like.new_zeros(batch, self.code_width),
        }

    def step(
        self, state: ControlledState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, ControlledState]:
        """One step; the item's own label is stored as an input of the next step."""
        item = self.item(features)
        inputs = torch.cat([item, state.previous_code, state.read], -1)
        hidden, cell = self.controller(inputs, ControllerState(state.hidden, state.cell))
        parts = {name: layer(hidden) for name, layer in self.interface.items()}
        if self.shortcut is not None:
            parts[self.key_part] = parts[self.key_part] + self.shortcut.item(item)
            direct = self.shortcut.told_item(state.previous_item) + self.shortcut.told_code(state.previous_code)
            parts[self.written_part] = parts[self.written_part] + direct
        check_code_width(codes.shape[-1], self.code_width)
        code = F.pad(codes, (0, self.code_width - codes.shape[-1]))
        new = self.access(parts, state)._replace(hidden=hidden, cell=cell, previous_item=item, previous_code=code)
        return torch.cat([hidden, new.read], -1), keep(mask, new, state)

    def read(self, state: ControlledState, features: Tensor) -> Tensor:
        """One step for each query from the same state; what it would write is dropped."""
        return read_by_step(self, state, features, self.code_width)

    def trace(self, state: ControlledState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights of every head over the slots, write weights and usage if the state has them."""
        return trace_steps(self, state, features, codes, mask)

    def code_readout(self) -> Tensor | None:
        """Transposed projection of label codes into rows: it decodes the labels that an untrained network reads."""
        if self.shortcut is None:
            return None
        from_row = self.shortcut.told_code.weight.detach().T
        from_read = from_row.repeat(1, self.heads * self.width // from_row.shape[1])
        return F.pad(from_read, (self.controller.hidden, 0))


class _Shortcut(nn.Module):
    """Projections of the item to its keys and of the previous pair to the written vectors, equal at the start."""

    def __init__(self, item_width: int, code_width: int, keys: int, written: int, width: int) -> None:
        super().__init__()
        if keys % width or written % width or keys % written:
            raise ValueError("keys and written vectors are whole rows, and every written vector has its keys")
        self.item = nn.Linear(item_width, keys, bias=False)
        self.told_item = nn.Linear(item_width, written, bias=False)
        with warnings.catch_warnings():
            # sequences without labels have codes of width 0, of which torch warns
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            self.told_code = nn.Linear(code_width, written, bias=False)
            nn.init.normal_(self.told_code.weight, std=0.3)
        # as many read heads as write heads: each finds its own; else every head finds what all wrote
        self.item.weight.data.view(keys // written, written, item_width).copy_(self.told_item.weight.data)


def check_code_width(code_width: int, built_for: int) -> None:
    """Refuse label codes wider than those that a memory was built for.

    Raises:
        ConfigError: naming both widths.
    """
    if code_width > built_for:
        raise ConfigError(
            f"this memory was built for label codes of width {built_for}, but the episodes have "
            f"{code_width}. Use episodes of at most {built_for} classes, or train with wider codes."
        )


def item_projection(features: int, item_width: int | None) -> nn.Module:
    """Features to normalised items of this width; None takes them as they are.

    Raises:
        ConfigError: for a width below 1.
    """
    check_size("memory.item_width", item_width, optional=True)
    return nn.Sequential(nn.Linear(features, item_width), nn.LayerNorm(item_width)) if item_width else nn.Identity()


def delayed(first: Tensor, sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A sequence one step late: the last unmasked entry before each step, and the last one of all.

    Args:
        first: `batch x width`, the entry before the sequence.
        sequence: `batch x steps x width`.
        mask: `batch x steps`, false for entries that are passed over.

    Returns:
        `batch x steps x width` and `batch x width`.
    """
    entries = torch.cat([first.unsqueeze(1), sequence], 1)
    # to look every step up is far slower than the copy, but to ask a GPU whether it is needed is slower still
    if mask.device.type != "cpu" or not mask.all():
        numbers = torch.arange(1, mask.shape[1] + 1, device=mask.device) * mask
        index = F.pad(numbers, (1, 0)).cummax(1).values.unsqueeze(-1).expand(-1, -1, first.shape[-1])
        entries = entries.gather(1, index)
    previous, last = torch.split(entries, [mask.shape[1], 1], 1)
    return previous, last.squeeze(1)


def read_by_step(memory: Memory[State], state: State, features: Tensor, code_width: int) -> Tensor:
    """`Memory.read` by one step for each query from the same state; what the step would write is dropped."""
    batch, queries, _ = features.shape
    repeated = type(state)(*(tensor.repeat_interleave(queries, 0) for tensor in state))
    no_code = features.new_zeros(batch * queries, code_width)
    all_present = torch.ones(batch * queries, dtype=torch.bool, device=features.device)
    reads, _ = memory.step(repeated, features.flatten(0, 1), no_code, all_present)
    return reads.view(batch, queries, memory.read_width)


def trace_steps(
    memory: Memory[ControlledState], state: ControlledState, features: Tensor, codes: Tensor, mask: Tensor
) -> Trace:
    """`Memory.trace` by what every step leaves in the state: read weights, write weights and usage if it has them."""
    states = []
    for t in range(features.shape[1]):
        _, state = memory.step(state, features[:, t], codes[:, t], mask[:, t])
        states.append(state)

    def over_steps(name: str) -> Tensor | None:
        return torch.stack([getattr(state, name) for state in states], -2) if name in state._fields else None

    reads, writes = over_steps("read_weights"), over_steps("write_weights")
    assert reads is not None
    if writes is not None and writes.dim() < reads.dim():
        writes = writes.unsqueeze(1)  # of a single head
    return Trace(reads, "slot", writes, over_steps("usage"))
