"""The memory of the differentiable neural computer [G16]: allocation by usage, temporal links, read modes.

Usage, of the slots that the free gates f_t keep ("Dynamic memory allocation"):

    psi_t = prod over heads i of (1 - f^i_t w^{r,i}_{t-1})                     retention
    u_t   = (u_{t-1} + w^w_{t-1} - u_{t-1} w^w_{t-1}) psi_t                    usage
    a_t   = (1 - u_t) prod of the smaller u_t                                  allocation weighting

The write ("Write weighting", "Memory interface"):

    w^w_t = g^w_t (g^a_t a_t + (1 - g^a_t) c^w_t),  c^w_t = C(M_{t-1}, k^w_t, beta^w_t)
    M_t   = M_{t-1} (1 - w^w_t e_t^T) + w^w_t v_t^T

What was written after what ("Temporal memory linkage"):

    L_t[i, j] = (1 - w^w_t[i] - w^w_t[j]) L_{t-1}[i, j] + w^w_t[i] p_{t-1}[j],  L_t[i, i] = 0
    p_t       = (1 - sum of w^w_t) p_{t-1} + w^w_t                             precedence

The read of head i ("Read weighting"):

    b_t, f_t = L_t^T w^{r,i}_{t-1}, L_t w^{r,i}_{t-1},  c_t = C(M_t, k^{r,i}_t, beta^{r,i}_t)
    w^{r,i}_t = pi[1] b_t + pi[2] c_t + pi[3] f_t,  r^i_t = M_t^T w^{r,i}_t

References:
    [G16] Graves et al., Hybrid computing using a neural network with dynamic external memory, Nature 538, 2016,
        Methods. Names in quotation marks are its headings.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from metamann.errors import ConfigError, check_number
from metamann.memory.controlled.controlled import ControlledMemory
from metamann.memory.controlled.options import ControlledOptions, filled
from metamann.memory.interface import Trace
from metamann.memory.scores import cosine

USAGE_LEVELS = 1024  # that allocation tells apart between free and used


class DNCState(NamedTuple):
    """What one episode has written, and what the controller remembers.

    Attributes:
        memory: `batch x slots x width`.
        usage: `batch x slots`, from 0, free, to 1.
        write_weights: `batch x slots`, of the last step.
        precedence: `batch x slots`, how much each slot was the last one written; width 0 without links.
        link: `batch x slots x slots`, how much slot i was written right after slot j; width 0 without links.
        read_weights: `batch x heads x slots`, of the last step.
        read: `batch x heads * width`, what the last step read.
        hidden: `batch x hidden`, of the controller.
        cell: `batch x hidden`, of an LSTM controller; width 0 for a GRU.
        previous_item: `batch x item_width`, the last item.
        previous_code: `batch x code_width`, its label, an input of the next step.
    """

    memory: Tensor
    usage: Tensor
    write_weights: Tensor
    precedence: Tensor
    link: Tensor
    read_weights: Tensor
    read: Tensor
    hidden: Tensor
    cell: Tensor
    previous_item: Tensor
    previous_code: Tensor


class DNCMemory(ControlledMemory[DNCState]):
    """One write head and several read heads; `features` and `code_width` as in `ControlledMemory`.

    Args:
        links: keep the temporal links, with which reads can follow the order of writing (paper). They are N x N
            numbers for every episode and every step that is trained through, all else is linear in N; to name an
            item, what it resembles counts and not what was written next to it, so they can go there.
        strength: beta of the reads at the start of training, above 1; the paper's is 1 + log 2.
        gates: logit at the start of training with which write and allocation gate are open, the free gates closed
            and reads by content; 0 leaves all of them half open, as in the paper. Above 0, an untrained network
            writes to one slot after another and recalls what it wrote.
        options: see `ControlledOptions`; a row is 64 wide. The paper has an LSTM, no `item_width` and no `shortcut`.

    Raises:
        ConfigError: if an option has an unknown value, or a number is out of its range.

    Examples:
        >>> memory, items = DNCMemory(features=3, code_width=2, slots=4, hidden=8), torch.rand(1, 5, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 5, 2), mask=torch.ones(1, 5, dtype=torch.bool))
        >>> reads.shape[-1] == memory.read_width, state.link.shape
        (True, torch.Size([1, 4, 4]))
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        links: bool = True,
        strength: float = 10.0,
        gates: float = 3.0,
        **options: Unpack[ControlledOptions],
    ) -> None:
        filled_in = filled(ControlledOptions, options, width=64)
        width, heads = filled_in["width"], filled_in["heads"]
        check_number("memory.gates", gates)
        check_number("memory.strength", strength)
        if strength <= 1:
            raise ConfigError(f"memory.strength={strength} is out of reach of 1 + log(1 + e^x); raise it above 1.")
        parts = {
            "key": heads * width,
            "strength": heads,
            "free_gates": heads,
            "write_key": width,
            "write_strength": 1,
            "erase": width,
            "write_vector": width,
            "write_gate": 1,
            "allocation_gate": 1,
        }
        if links:
            parts["modes"] = heads * 3
        super().__init__(features, code_width, filled_in, parts, "key", "write_vector")
        self.links = links
        # the inverse of oneplus, in a form that no strength overflows
        self.start_part("strength", strength - 1 + math.log(-math.expm1(1 - strength)))
        self.start_part("write_gate", gates)
        self.start_part("allocation_gate", gates)
        self.start_part("free_gates", -gates)
        if links:
            self.start_part("modes", torch.tensor([0.0, gates, 0.0]).repeat(heads))

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> DNCState:
        """Empty memory, no item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        linked = self.slots if self.links else 0
        return DNCState(
            memory=like.new_zeros(batch, self.slots, self.width),
            usage=like.new_zeros(batch, self.slots),
            write_weights=like.new_zeros(batch, self.slots),
            precedence=like.new_zeros(batch, linked),
            link=like.new_zeros(batch, linked, linked),
            read_weights=like.new_zeros(batch, self.heads, self.slots),
            **self.fresh_controller(batch, code_width, like),
        )

    def access(self, parts: dict[str, Tensor], state: DNCState) -> DNCState:
        """Free what was read, write, link the write to the one before, then read [G16]."""
        free_gates = parts["free_gates"].sigmoid()
        usage = next_usage(state.usage, state.write_weights, retention(free_gates, state.read_weights))

        write_key, write_strength = parts["write_key"].unsqueeze(1), oneplus(parts["write_strength"])
        by_content = content_weights(state.memory, write_key, write_strength).squeeze(1)
        write_gate, allocation_gate = parts["write_gate"].sigmoid(), parts["allocation_gate"].sigmoid()
        write_weights = write_gate * (allocation_gate * allocation(usage) + (1 - allocation_gate) * by_content)
        rows, erase = write_weights.unsqueeze(-1), parts["erase"].sigmoid().unsqueeze(1)
        memory = state.memory * (1 - rows * erase) + rows * parts["write_vector"].unsqueeze(1)

        key = parts["key"].view(-1, self.heads, self.width)
        read_weights = content_weights(memory, key, oneplus(parts["strength"]))
        link, precedence = state.link, state.precedence
        if self.links:
            link = next_link(link, precedence, write_weights)
            precedence = (1 - write_weights.sum(-1, keepdim=True)) * precedence + write_weights
            backward, forward = state.read_weights @ link, state.read_weights @ link.transpose(1, 2)
            modes = parts["modes"].view(-1, self.heads, 3).softmax(-1)
            read_weights = modes[..., :1] * backward + modes[..., 1:2] * read_weights + modes[..., 2:] * forward
        return state._replace(
            memory=memory,
            usage=usage,
            write_weights=write_weights,
            precedence=precedence,
            link=link,
            read_weights=read_weights,
            read=(read_weights @ memory).flatten(1),
        )

    def trace(self, state: DNCState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights over the slots, and last the share of a read that followed links to where there are none."""
        trace = super().trace(state, features, codes, mask)
        nowhere = (1 - trace.read_weights.sum(-1, keepdim=True)).clamp_min(0)
        return trace._replace(
            read_weights=torch.cat([trace.read_weights, nowhere], -1), slot_label="slot (last of a read: none)"
        )


def oneplus(x: Tensor) -> Tensor:
    """1 + log(1 + e^x) ("Interface parameters" [G16]): a strength from 1 up."""
    return 1 + F.softplus(x)


def content_weights(memory: Tensor, keys: Tensor, strength: Tensor) -> Tensor:
    """Softmax of cosine similarity C(M, k, beta) ("Content-based addressing" [G16]).

    Args:
        memory: `batch x slots x width`.
        keys: `batch x heads x width`.
        strength: `batch x heads`.

    Returns:
        `batch x heads x slots`.
    """
    return (strength.unsqueeze(-1) * cosine(keys, memory)).softmax(-1)


def retention(free_gates: Tensor, read_weights: Tensor) -> Tensor:
    """How much of each slot no head sets free after reading it: psi_t ("Dynamic memory allocation" [G16]).

    Args:
        free_gates: `batch x heads`.
        read_weights: of the last step, `batch x heads x slots`.

    Returns:
        `batch x slots`.
    """
    return (1 - free_gates.unsqueeze(-1) * read_weights).prod(1)


def next_usage(usage: Tensor, write_weights: Tensor, retained: Tensor) -> Tensor:
    """The usage u_t after the last step's write and this step's retention, `batch x slots` like all of them [G16]."""
    return (usage + write_weights - usage * write_weights) * retained


def allocation(usage: Tensor) -> Tensor:
    """Where to write next, a_t: all of it to the least used slot if that is free ("Dynamic memory allocation" [G16]).

    Gradients pass through the usages, none through their order (as in [G16]). Usages nearer than about 1e-3 count as
    equal, and of equal ones the slot of the lowest number comes first: slots with equal rows have usages that
    differ by rounding, and rounding, which is another alone than in a batch, must not choose the slot.

    Args:
        usage: `batch x slots`, from 0 to 1.

    Returns:
        `batch x slots`; sums to 1 - prod of the usages, in whatever order.
    """
    order = (usage.detach() * USAGE_LEVELS).round().argsort(dim=-1, stable=True)
    ascending = usage.gather(-1, order)
    smaller = F.pad(ascending[:, :-1], (1, 0), value=1.0).cumprod(-1)
    return torch.zeros_like(usage).scatter(-1, order, (1 - ascending) * smaller)


def next_link(link: Tensor, precedence: Tensor, write_weights: Tensor) -> Tensor:
    """The temporal link matrix L_t ("Temporal memory linkage" [G16]).

    Args:
        link: L_{t-1}, `batch x slots x slots`.
        precedence: p_{t-1}, `batch x slots`.
        write_weights: of this step, `batch x slots`.

    Returns:
        `batch x slots x slots`; zeros on the diagonal, rows and columns sum to at most 1.
    """
    into, out_of = write_weights.unsqueeze(2), write_weights.unsqueeze(1)
    link = (1 - into - out_of) * link + into * precedence.unsqueeze(1)
    itself = torch.eye(link.shape[-1], dtype=torch.bool, device=link.device)
    return link.masked_fill(itself, 0)
