"""The memory of the Neural Turing Machine [G14]: heads address by content and by location, erase and add.

Each head, from its own key k, strength b, gate g, shift s and sharpness c, on the rows of M:

    w^c  = softmax(b cos(k, M))                                 [G14, eq. 5-6]
    w^g  = g w^c + (1 - g) w_{t-1}                              [G14, eq. 7]
    w~_i = sum_j w^g_j s_{i-j}, slots in a circle               [G14, eq. 8]
    w_i  = w~_i^c / sum_j w~_j^c                                [G14, eq. 9]

    M_t  = M_{t-1} * product over write heads of (1 - w e^T), + sum over write heads of w a^T    [G14, eq. 3-4]
    r_t  = w M_t, for each read head                            [G14, eq. 2]

Order of the heads: the write heads all address M_{t-1}; all erase, then all add, so that their order does not matter
[G14, section 3.2]; the read heads address and read M_t. The paper leaves open how a layer becomes a strength or a
sharpness: b = softplus, c = 1 + softplus, key and added vector through tanh, as in [C18].

References:
    [G14] Graves, Wayne and Danihelka, Neural Turing Machines, 2014, arXiv:1410.5401.
    [C18] Collier and Beel, Implementing Neural Turing Machines, 2018, arXiv:1807.08518.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from metamann.errors import ConfigError, check_choice, check_size
from metamann.memory.controlled.controlled import ControlledMemory
from metamann.memory.controlled.erase_add import erase_and_add
from metamann.memory.controlled.options import ControlledOptions, filled
from metamann.memory.scores import cosine


class NTMState(NamedTuple):
    """What one episode has written, where the heads stand, and what the controller remembers.

    Attributes:
        memory: `batch x slots x width`.
        write_weights: `batch x write_heads x slots`, of the last step.
        read_weights: `batch x heads x slots`, of the last step.
        read: `batch x heads * width`, what the last step read.
        hidden: `batch x hidden`, of the controller.
        cell: `batch x hidden`, of an LSTM controller; width 0 for the others.
        previous_item: `batch x item_width`, the last item.
        previous_code: `batch x code_width`, its label, an input of the next step.
    """

    memory: Tensor
    write_weights: Tensor
    read_weights: Tensor
    read: Tensor
    hidden: Tensor
    cell: Tensor
    previous_item: Tensor
    previous_code: Tensor


class Location(NamedTuple):
    """How heads get from content to their weights.

    Attributes:
        strength: `batch x heads x 1`, above 0, of the content.
        gate: `batch x heads x 1`, 1 for the content alone, 0 for the weights of the step before.
        shift: `batch x heads x shifts`, summing to 1: of -range, ..., 0, ..., +range slots.
        sharpness: `batch x heads x 1`, at least 1.
    """

    strength: Tensor
    gate: Tensor
    shift: Tensor
    sharpness: Tensor


class NTMMemory(ControlledMemory[NTMState]):
    """Content and location addressing; `features` and `code_width` as in `ControlledMemory`.

    At the start all read heads stand on slot 0, and the write heads at equal distances, the first on slot 0.

    Args:
        write_heads: write heads.
        shift_range: a head moves by at most this many slots in a step.
        initial_memory: M_0 of every episode: `constant`, 1e-6 everywhere; `random`, drawn once when the
            memory is built and the same for every episode; `learned`, that draw as a parameter.
        follows: with the shortcut, read heads start half by content and half from where they stood, then stay or move
            on by one slot alike: for tasks whose answer is what came after an item.
        options: see `ControlledOptions`; the paper has no `item_width` and no `shortcut`. With the shortcut the heads
            also start as a tape, so that an untrained network recalls labels: write heads move on by one slot at
            each step and replace its row, read heads go by content.

    Raises:
        ConfigError: if an option has an unknown value, a number is out of its range, or options do not fit together.

    Examples:
        >>> memory, items = NTMMemory(features=3, code_width=2, slots=4, hidden=8), torch.rand(1, 5, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 5, 2), mask=torch.ones(1, 5, dtype=torch.bool))
        >>> reads.shape[-1] == memory.read_width, state.memory.shape
        (True, torch.Size([1, 4, 40]))
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        write_heads: int = 1,
        shift_range: int = 1,
        initial_memory: Literal["constant", "random", "learned"] = "constant",
        follows: bool = False,
        **options: Unpack[ControlledOptions],
    ) -> None:
        filled_in = filled(ControlledOptions, options)
        slots, width, heads = filled_in["slots"], filled_in["width"], filled_in["heads"]
        shortcut = filled_in["shortcut"]
        check_size("memory.write_heads", write_heads)
        check_size("memory.shift_range", shift_range, least=1 if shortcut else 0)
        check_choice("memory.initial_memory", initial_memory, ("constant", "random", "learned"))
        shifts = 2 * shift_range + 1
        if follows and not shortcut:
            raise ConfigError("memory.follows is a way to start with the shortcut: set memory.shortcut=true.")
        if shifts > slots:
            raise ConfigError(
                f"memory.shift_range={shift_range} needs {shifts} slots, but memory.slots is {slots}; raise it."
            )
        if shortcut and heads % write_heads:
            raise ConfigError(
                f"memory.shortcut gives every write head as many read heads: memory.heads={heads} must be a multiple "
                f"of memory.write_heads={write_heads}."
            )
        both = write_heads + heads
        parts = {"key": heads * width, "write_key": write_heads * width}
        parts |= {"strength": both, "gate": both, "shift": both * shifts, "sharpness": both}  # write heads come first
        parts |= {"erase": write_heads * width, "add": write_heads * width}
        super().__init__(features, code_width, filled_in, parts, "key", "add")
        self.write_heads = write_heads
        rows = torch.full((slots, width), 1e-6) if initial_memory == "constant" else 0.5 * torch.randn(slots, width)
        self.fresh_memory: Tensor
        if initial_memory == "learned":
            self.fresh_memory = nn.Parameter(rows)
        else:
            self.register_buffer("fresh_memory", rows)
        if shortcut:
            self._start_as_tape(shift_range, follows)

    def _start_as_tape(self, shift_range: int, follows: bool) -> None:
        """Write heads move on and replace the row there; read heads go by content and stay, or half of both."""
        shifts = 2 * shift_range + 1
        on, stay = (5.0 * F.one_hot(torch.tensor(shift_range + by), shifts) for by in (1, 0))
        content, shift = (0.0, 0.4 * (stay + on)) if follows else (5.0, stay)
        self.start_part("strength", 10.0)
        self.start_part("gate", torch.tensor([-5.0] * self.write_heads + [content] * self.heads))
        self.start_part("shift", torch.cat([on.repeat(self.write_heads), shift.repeat(self.heads)]))
        self.start_part("erase", 3.0)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> NTMState:
        """Fresh memory, heads where they start, no item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        apart = torch.arange(self.write_heads, device=like.device) * self.slots // self.write_heads
        start = F.one_hot(apart, self.slots).to(like)
        return NTMState(
            memory=self.fresh_memory.to(like).repeat(batch, 1, 1),
            write_weights=start.repeat(batch, 1, 1),
            read_weights=start[:1].repeat(batch, self.heads, 1),
            **self.fresh_controller(batch, code_width, like),
        )

    def access(self, parts: dict[str, Tensor], state: NTMState) -> NTMState:
        """Write heads address, erase and add; then read heads address and read [G14]."""
        batch, both = len(state.memory), self.write_heads + self.heads
        location = Location(
            strength=F.softplus(parts["strength"]).unsqueeze(-1),
            gate=parts["gate"].sigmoid().unsqueeze(-1),
            shift=parts["shift"].view(batch, both, -1).softmax(-1),
            sharpness=1 + F.softplus(parts["sharpness"]).unsqueeze(-1),
        )
        writing = Location(*(part[:, : self.write_heads] for part in location))
        reading = Location(*(part[:, self.write_heads :] for part in location))

        write_key = parts["write_key"].tanh().view(batch, self.write_heads, self.width)
        write_weights = address(state.memory, state.write_weights, write_key, writing)
        erase = parts["erase"].sigmoid().view(batch, self.write_heads, self.width)
        add = parts["add"].tanh().view(batch, self.write_heads, self.width)
        memory = erase_and_add(state.memory, write_weights, erase, add)

        key = parts["key"].tanh().view(batch, self.heads, self.width)
        read_weights = address(memory, state.read_weights, key, reading)
        read = (read_weights @ memory).flatten(1)
        return state._replace(memory=memory, write_weights=write_weights, read_weights=read_weights, read=read)


def address(memory: Tensor, before: Tensor, key: Tensor, location: Location) -> Tensor:
    """Weights of heads over the slots [G14, eq. 5-9].

    Args:
        memory: `batch x slots x width`.
        before: `batch x heads x slots`, the weights of the step before.
        key: `batch x heads x width`.
        location: of the same heads.

    Returns:
        `batch x heads x slots`, summing to 1 over the slots.
    """
    by_content = (location.strength * cosine(key, memory)).softmax(-1)
    gated = location.gate * by_content + (1 - location.gate) * before
    return sharpened(shifted(gated, location.shift), location.sharpness)


def shifted(weights: Tensor, shift: Tensor) -> Tensor:
    """Circular convolution over the slots [G14, eq. 8].

    Args:
        weights: `batch x heads x slots`.
        shift: `batch x heads x shifts`, of -range, ..., 0, ..., +range slots.
    """
    reach = shift.shape[-1] // 2
    moved = [weights.roll(by, -1) * shift[..., by + reach, None] for by in range(-reach, reach + 1)]
    return torch.stack(moved).sum(0)


def sharpened(weights: Tensor, sharpness: Tensor) -> Tensor:
    """Weights to the power of the sharpness, normalised [G14, eq. 9]; finite, with finite gradients, at weights of 0.

    Args:
        weights: `batch x heads x slots`, at least one of each head above 0.
        sharpness: `batch x heads x 1`, at least 1.
    """
    # the scale cancels; without it a large sharpness takes every power to 0
    powers = (weights / weights.detach().amax(-1, keepdim=True)) ** sharpness
    return powers / powers.sum(-1, keepdim=True)
