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
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from metamann.errors import ConfigError, check_choice, check_number
from metamann.memory.controlled.cells import packed
from metamann.memory.controlled.controlled import ControlledMemory, check_code_width, delayed
from metamann.memory.controlled.lrua.core import Rules
from metamann.memory.controlled.lrua.scan import LoopState, scan_lrua
from metamann.memory.controlled.options import ControlledOptions, filled
from metamann.memory.scores import cosine


class LRUAState(NamedTuple):
    """What one episode has written, and what the controller remembers.

    Attributes:
        memory: `batch x slots x width`.
        usage: `batch x slots`.
        read_weights: `batch x heads x slots`, of the last step.
        write_weights: `batch x heads x slots`, of the last step.
        read: `batch x heads * width`, what the last step read.
        hidden: `batch x hidden`, of the controller.
        cell: `batch x hidden`, of an LSTM controller; width 0 for a GRU.
        previous_item: `batch x item_width`, the last item.
        previous_code: `batch x code_width`, its label, an input of the next step.
    """

    memory: Tensor
    usage: Tensor
    read_weights: Tensor
    write_weights: Tensor
    read: Tensor
    hidden: Tensor
    cell: Tensor
    previous_item: Tensor
    previous_code: Tensor


class LRUAMemory(ControlledMemory[LRUAState]):
    """Least-recently-used access with a controller; `features` and `code_width` as in `ControlledMemory`.

    Args:
        written: `key`, the read key itself (paper), or `add`, a vector of its own.
        least_used: with n heads, `per_head`: the j-th least used slot to head j; `shared`: every head writes to
            the n least used; `threshold`: to all whose usage is at most the n-th least, ties included.
            The last needs `zeroed=one`: untouched slots all tie, and zeroed together they would tie for ever.
        zeroed: the rows erased before the write: `one`, the least used (paper), or `all` that count as least used.
        address_on: what is read: the memory `after` the write (paper) or `before` it.
        usage_decay: g, 0.99 in the paper, 0.95 in public code.
        cosine_epsilon: `root` or `added`, see `cosine`.
        strength: s at the start of training, learned for each head; None is the paper's, fixed 1.
        write_gate: logit of the gate at the start of training; below 0, fresh networks write to unused slots.
        options: see `ControlledOptions`; each read head also writes, where it read last or to a least used slot. The
            paper has an LSTM, no `item_width` and no `shortcut`.

    Raises:
        ConfigError: if an option has an unknown value, or a number is out of its range.

    Examples:
        >>> memory, items = LRUAMemory(features=3, code_width=2, slots=4, hidden=8), torch.rand(1, 5, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 5, 2), mask=torch.ones(1, 5, dtype=torch.bool))
        >>> reads.shape[-1] == memory.read_width, state.usage.shape
        (True, torch.Size([1, 4]))
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        written: Literal["key", "add"] = "add",
        least_used: Literal["per_head", "shared", "threshold"] = "per_head",
        zeroed: Literal["one", "all"] = "all",
        address_on: Literal["after", "before"] = "after",
        usage_decay: float = 0.95,
        cosine_epsilon: Literal["root", "added"] = "root",
        strength: float | None = 10.0,
        write_gate: float = -3.0,
        **options: Unpack[ControlledOptions],
    ) -> None:
        check_choice("memory.written", written, ("key", "add"))
        check_choice("memory.least_used", least_used, ("per_head", "shared", "threshold"))
        check_choice("memory.zeroed", zeroed, ("one", "all"))
        check_choice("memory.address_on", address_on, ("after", "before"))
        check_choice("memory.cosine_epsilon", cosine_epsilon, ("root", "added"))
        filled_in = filled(ControlledOptions, options)
        slots, rows, heads = filled_in["slots"], filled_in["heads"] * filled_in["width"], filled_in["heads"]
        check_number("memory.usage_decay", usage_decay, least=0, most=1)
        check_number("memory.write_gate", write_gate)
        if strength is not None:
            check_number("memory.strength", strength, least=0, above=True)
        if heads > slots:
            raise ConfigError(f"{heads} heads need {heads} slots, but memory.slots is {slots}; raise it.")
        if least_used == "threshold" and zeroed == "all":
            raise ConfigError("memory.least_used=threshold zeroes every tied slot at once: set memory.zeroed=one.")
        if filled_in["shortcut"] and written == "key":
            raise ConfigError("memory.shortcut binds a key to a written vector of its own: set memory.written=add.")
        parts = {"key": rows, "add": rows, "gate": heads} if written == "add" else {"key": rows, "gate": heads}
        super().__init__(features, code_width, filled_in, parts, "key", written)
        self.written = written
        self.least_used, self.zeroed, self.address_on = least_used, zeroed, address_on
        self.usage_decay = usage_decay
        self.cosine_epsilon: Literal["root", "added"] = cosine_epsilon
        self.log_strength = nn.Parameter(torch.full((heads,), math.log(strength))) if strength is not None else None
        self.start_part("gate", write_gate)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> LRUAState:
        """Empty memory, no item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        return LRUAState(
            memory=like.new_zeros(batch, self.slots, self.width),
            usage=like.new_zeros(batch, self.slots),
            read_weights=like.new_zeros(batch, self.heads, self.slots),
            write_weights=like.new_zeros(batch, self.heads, self.slots),
            **self.fresh_controller(batch, code_width, like),
        )

    def scan(self, state: LRUAState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, LRUAState]:
        """The whole sequence: all that is independent of the memory at once, then `scan_lrua`.

        With `least_used="threshold"` it is the chained step.
        """
        if self.least_used == "threshold":
            return super().scan(state, features, codes, mask)
        check_code_width(codes.shape[-1], self.code_width)
        items, codes = self.item(features), F.pad(codes, (0, self.code_width - codes.shape[-1]))
        previous_items, previous_item = delayed(state.previous_item, items, mask)
        previous_codes, previous_code = delayed(state.previous_code, codes, mask)
        # steps first, as the loop takes them
        items, previous_items, previous_codes = (
            tensor.transpose(0, 1) for tensor in (items, previous_items, previous_codes)
        )
        cell, rows = self.controller.cell, self.heads * self.width
        weights = packed(cell, rows)
        z = F.linear(torch.cat([items, previous_codes], -1), weights.known, weights.bias)
        layers: list[Any] = list(self.interface.values())
        projected = [layer.bias.expand(*items.shape[:2], -1) for layer in layers]
        if self.shortcut is not None:
            projected[0] = F.linear(items, self.shortcut.item.weight, layers[0].bias)
            projected[1] = F.linear(previous_items, self.shortcut.told_item.weight, layers[1].bias)
            projected[1] = projected[1] + self.shortcut.told_code(previous_codes)
        parts = torch.cat(projected, -1)
        rules = Rules(
            cell=cell,
            heads=self.heads,
            width=self.width,
            key_written=self.written == "key",
            shared=self.least_used == "shared",
            zeroed=1 if self.zeroed == "one" else self.heads,
            address_after=self.address_on == "after",
            usage_decay=self.usage_decay,
            epsilon_in_root=self.cosine_epsilon == "root",
        )
        output = torch.cat([state.hidden, state.read], -1)
        before = LoopState(*(output if name == "output" else getattr(state, name) for name in LoopState._fields))
        outputs, after = scan_lrua(
            rules,
            mask,
            before,
            z,
            parts,
            weights.recurrent,
            torch.cat([layer.weight for layer in layers]).T,
            state.memory.new_ones(self.heads) if self.log_strength is None else self.log_strength.exp(),
        )
        hidden, read = after.output.tensor_split([state.hidden.shape[-1]], -1)
        controller = {"hidden": hidden, "read": read, "previous_item": previous_item, "previous_code": previous_code}
        return outputs, LRUAState(
            **{name: part for name, part in after._asdict().items() if name != "output"}, **controller
        )

    def access(self, parts: dict[str, Tensor], state: LRUAState) -> LRUAState:
        """Write to the slots read last or to the least used ones, then read [S16]."""
        key = parts["key"].tanh().view(-1, self.heads, self.width)
        written = key if self.written == "key" else parts["add"].tanh().view(-1, self.heads, self.width)
        gate = parts["gate"].sigmoid().unsqueeze(-1)

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
        return state._replace(
            memory=memory, usage=usage, read_weights=read_weights, write_weights=write_weights, read=read
        )

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
