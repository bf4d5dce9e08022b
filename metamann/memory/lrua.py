"""The memory of MANN [S16]: a recurrent controller writes to where it read last or to the least used slot.

    k_t, a_t, g_t = interface(controller(x_t, y_{t-1}, r_{t-1}))
    w^w_t = sigmoid(g_t) w^r_{t-1} + (1 - sigmoid(g_t)) w^lu_{t-1}             [S16, eq. 7]
    M_t   = M_{t-1} with the least used row zeroed, + sum over heads of w^w_t a_t    [S16, eq. 8]
    w^r_t = softmax(s cos(k_t, M_t))                                           [S16, eq. 2-3]
    w^u_t = g w^u_{t-1} + w^r_t + w^w_t                                        [S16, eq. 5]
    r_t   = w^r_t M_t                                                          [S16, eq. 4]

The paper writes the key itself (a_t = k_t), without a strength (s = 1). Public code disagrees on seven points:
each is a named option here, see `LRUAMemory`.

References:
    [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, ICML 2016.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import ConfigError
from metamann.memory.controllers import Controller, ControllerState
from metamann.memory.interface import Memory, Trace, keep
from metamann.memory.scores import cosine


class LRUAState(NamedTuple):
    """What one episode has written, and what the controller remembers.

    Attributes:
        memory: `batch x slots x width`.
        usage: `batch x slots`.
        read_weights: `batch x heads x slots`, of the last step.
        read: `batch x heads * width`, what the last step read.
        hidden: `batch x hidden`, of the controller.
        cell: `batch x hidden`, of an LSTM controller; width 0 for a GRU.
        told_item: `batch x item_width`, the last item.
        told_code: `batch x code_width`, its label, which the next step is shown.
    """

    memory: Tensor
    usage: Tensor
    read_weights: Tensor
    read: Tensor
    hidden: Tensor
    cell: Tensor
    told_item: Tensor
    told_code: Tensor


class LRUAMemory(Memory[LRUAState]):
    """Least-recently-used access with a controller, batched over episodes.

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it.
        item_width: features are projected to this width and normalised; None takes them as they are (paper).
        slots: rows N of the memory.
        width: of a row.
        heads: read heads; each writes where it read last, or to a least used slot.
        controller: `lstm` (paper) or `gru`.
        hidden: width of the controller.
        written: `key`, the read key itself (paper), or `add`, a vector of its own.
        least_used: with n heads, `per_head`: the j-th least used slot to head j; `shared`: every head writes to
            the n least used; `threshold`: to all whose usage is at most the n-th least, ties included.
            The last needs `zeroed=one`: untouched slots all tie, and zeroed together they would tie for ever.
        zeroed: the rows erased before the write: `one`, the least used (paper), or `all` that count as least used.
        address_on: what is read: the memory `after` the write (paper) or `before` it.
        usage_decay: g, 0.99 in the paper, 0.95 in public code.
        cosine_epsilon: `root` or `added`, see `cosine`.
        strength: s at the start of training, learned for each head; None is the paper's, fixed 1.
        shortcut: let key and written vector see the item and the pair just told directly, beside the controller,
            and start as one projection of both, so that a fresh network already finds and names what it wrote.
            Without it (paper) the controller must learn to carry each item for one step to bind it to its label.
        write_gate: logit of the gate at the start of training; below 0, fresh networks write to unused slots.

    Raises:
        ConfigError: if an option has an unknown value.
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        item_width: int | None = 128,
        slots: int = 128,
        width: int = 40,
        heads: int = 4,
        controller: Literal["lstm", "gru"] = "lstm",
        hidden: int = 200,
        written: Literal["key", "add"] = "add",
        least_used: Literal["per_head", "shared", "threshold"] = "per_head",
        zeroed: Literal["one", "all"] = "all",
        address_on: Literal["after", "before"] = "after",
        usage_decay: float = 0.95,
        cosine_epsilon: Literal["root", "added"] = "root",
        strength: float | None = 10.0,
        shortcut: bool = True,
        write_gate: float = -3.0,
    ) -> None:
        super().__init__()
        _check("written", written, ("key", "add"))
        _check("least_used", least_used, ("per_head", "shared", "threshold"))
        _check("zeroed", zeroed, ("one", "all"))
        _check("address_on", address_on, ("after", "before"))
        _check("cosine_epsilon", cosine_epsilon, ("root", "added"))
        if heads > slots:
            raise ConfigError(f"{heads} heads need {heads} slots, but memory.slots is {slots}; raise it.")
        if least_used == "threshold" and zeroed == "all":
            raise ConfigError("memory.least_used=threshold zeroes every tied slot at once: set memory.zeroed=one.")
        if shortcut and written == "key":
            raise ConfigError("memory.shortcut binds a key to a written vector of its own: set memory.written=add.")
        self.item_width, self.code_width = item_width or features, code_width
        self.slots, self.width, self.heads = slots, width, heads
        self.written, self.least_used, self.zeroed, self.address_on = written, least_used, zeroed, address_on
        self.usage_decay = usage_decay
        self.cosine_epsilon: Literal["root", "added"] = cosine_epsilon
        self.item = (
            nn.Sequential(nn.Linear(features, item_width), nn.LayerNorm(item_width)) if item_width else nn.Identity()
        )
        self.controller = Controller(controller, self.item_width + code_width + heads * width, hidden)
        self.key = nn.Linear(hidden, heads * width)
        self.add = nn.Linear(hidden, heads * width) if written == "add" else None
        self.gate = nn.Linear(hidden, heads)
        self.log_strength = nn.Parameter(torch.full((heads,), math.log(strength))) if strength else None
        self.shortcut = _Shortcut(self.item_width, code_width, heads * width) if shortcut else None
        self.read_width = hidden + heads * width
        nn.init.constant_(self.gate.bias, write_gate)
        if self.add is not None and shortcut:
            # at the start the shortcut alone decides; the controller grows into both
            for layer in (self.key, self.add):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> LRUAState:
        """Empty memory, nothing told.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        self._check_width(code_width)
        hidden, cell = self.controller.initial_state(batch, like)
        return LRUAState(
            memory=like.new_zeros(batch, self.slots, self.width),
            usage=like.new_zeros(batch, self.slots),
            read_weights=like.new_zeros(batch, self.heads, self.slots),
            read=like.new_zeros(batch, self.heads * self.width),
            hidden=hidden,
            cell=cell,
            told_item=like.new_zeros(batch, self.item_width),
            told_code=like.new_zeros(batch, self.code_width),
        )

    def step(self, state: LRUAState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, LRUAState]:
        """One step of [S16]; the item's own label is only kept, for the next step to see."""
        item = self.item(features)
        seen = torch.cat([item, state.told_code, state.read], -1)
        hidden, cell = self.controller(seen, ControllerState(state.hidden, state.cell))
        key, written = self._interface(hidden, item, state)
        gate = self.gate(hidden).sigmoid().unsqueeze(-1)

        least_used, zeroed = self._least_used(state.usage)
        write_weights = gate * state.read_weights + (1 - gate) * least_used
        memory = state.memory * ~zeroed.unsqueeze(-1) + write_weights.transpose(1, 2) @ written

        scores = cosine(key, memory if self.address_on == "after" else state.memory, self.cosine_epsilon)
        if self.log_strength is not None:
            scores = scores * self.log_strength.exp().unsqueeze(-1)
        read_weights = scores.softmax(-1)
        # usage only ranks the slots: no gradient passes through a rank
        usage = self.usage_decay * state.usage + (read_weights + write_weights).detach().sum(1)
        read = (read_weights @ memory).flatten(1)

        self._check_width(codes.shape[-1])
        told_code = F.pad(codes, (0, self.code_width - codes.shape[-1]))
        new = LRUAState(memory, usage, read_weights, read, hidden, cell, item, told_code)
        return torch.cat([hidden, read], -1), keep(mask, new, state)

    def read(self, state: LRUAState, features: Tensor) -> Tensor:
        """One step for each query from the same state; what it would write is dropped."""
        batch, queries, _ = features.shape
        each = LRUAState(*(tensor.repeat_interleave(queries, 0) for tensor in state))
        no_code = features.new_zeros(batch * queries, self.code_width)
        all_shown = torch.ones(batch * queries, dtype=torch.bool, device=features.device)
        reads, _ = self.step(each, features.flatten(0, 1), no_code, all_shown)
        return reads.view(batch, queries, self.read_width)

    def trace(self, state: LRUAState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights of every head over the slots."""
        weights = []
        for t in range(features.shape[1]):
            _, state = self.step(state, features[:, t], codes[:, t], mask[:, t])
            weights.append(state.read_weights)
        return Trace(torch.stack(weights, 2), "slot")

    def code_readout(self) -> Tensor | None:
        """Transposed projection of label codes into rows: with it a fresh network names what it finds."""
        if self.shortcut is None:
            return None
        from_read = self.shortcut.told_code.weight.detach().T
        return F.pad(from_read, (self.controller.hidden, 0))

    def _check_width(self, code_width: int) -> None:
        if code_width > self.code_width:
            raise ConfigError(
                f"this memory was built for label codes of width {self.code_width}, but the episodes have "
                f"{code_width}. Use episodes of at most {self.code_width} classes, or train with wider codes."
            )

    def _interface(self, hidden: Tensor, item: Tensor, state: LRUAState) -> tuple[Tensor, Tensor]:
        """Key and written vector, `batch x heads x width` each, in (-1, 1)."""
        key = self.key(hidden)
        added = self.add(hidden) if self.add is not None else None
        if self.shortcut is not None and added is not None:
            key = key + self.shortcut.item(item)
            added = added + self.shortcut.told_item(state.told_item) + self.shortcut.told_code(state.told_code)
        heads = (len(key), self.heads, self.width)
        key = key.tanh().view(heads)
        return key, key if added is None else added.tanh().view(heads)

    def _least_used(self, usage: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the least used slots, `batch x heads x slots`, and the rows to zero, `batch x slots`.

        Untouched slots tie exactly: the stable sort takes the lowest number, for any number of threads.
        """
        order = usage.argsort(dim=-1, stable=True)[:, : self.heads]
        per_head = F.one_hot(order, self.slots).to(usage.dtype)
        if self.least_used == "per_head":
            weights = per_head
        elif self.least_used == "shared":
            weights = per_head.sum(1, keepdim=True).expand_as(per_head)
        else:
            threshold = usage.gather(1, order[:, -1:])
            weights = (usage <= threshold).to(usage.dtype).unsqueeze(1).expand_as(per_head)
        zeroed = per_head[:, 0] if self.zeroed == "one" else weights.amax(1)
        return weights, zeroed.bool()


class _Shortcut(nn.Module):
    """Projections of the item to its key and of the pair just told to the written vector, equal at the start."""

    def __init__(self, item_width: int, code_width: int, width: int) -> None:
        super().__init__()
        self.item = nn.Linear(item_width, width, bias=False)
        self.told_item = nn.Linear(item_width, width, bias=False)
        self.told_code = nn.Linear(code_width, width, bias=False)
        self.told_item.weight.data.copy_(self.item.weight.data)
        nn.init.normal_(self.told_code.weight, std=0.3)


def _check(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"memory.{option}={value} is unknown; choose {' or '.join(known)}.")
