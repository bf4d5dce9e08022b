"""Key-value memory of a fixed number of slots: what is written last may evict something written before.

    w_t  = attention of `PairMemory` on the slots and on "never seen"
    u_t  = g u_{t-1} + w_t + (1 at the slot written)                           [S16, eq. 5]
    step t is written if -log(masses_t . c_t) > `surprise`: to the first empty slot, or else to the one `evict` names

Neither choice has a gradient.

References:
    [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, ICML 2016.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.errors import check_choice, check_number, check_size
from metamann.memory.interface import Trace
from metamann.memory.pairs.pairs import PairMemory, masses

# steps that are read at once, or as many as there are slots: a shorter chunk does not fill the matrix products
SHORTEST_CHUNK = 64


class BoundedState(NamedTuple):
    """What one episode holds.

    Attributes:
        keys: `batch x slots x key_width`, unit vectors; zeros where a slot is empty.
        values: `batch x slots x code_width`, the label codes written with them.
        filled: `batch x slots`, true where a pair is.
        written_at: `batch x slots`, the number of the write that filled the slot, from 1; 0 where it is empty.
        usage: `batch x slots`, decayed sum of read weights, and 1 for the write.
    """

    keys: Tensor
    values: Tensor
    filled: Tensor
    written_at: Tensor
    usage: Tensor


class BoundedKeyValueMemory(PairMemory[BoundedState]):
    """Pairs in a fixed number of slots; the arguments that are not named here are those of `PairMemory`.

    Args:
        slots: pairs that are held at most.
        evict: what makes room in a full memory: `age`, the oldest pair; `usage`, the least used one; `quota`, the
            oldest one of the label that holds most slots, the new pair counted: a label never loses a slot to one
            that holds as many. Labels are the same where their codes are equal. Of slots that tie, the first.
        surprise: nats; a pair is written only if the negative log of the mass that was read on its own label is above
            it, as a known item need not be stored again. The mass is the inner product of the masses read with the
            code: the attention on the label where codes are orthonormal, an approximation of it otherwise, and no
            mass at all (written) where it is negative. None writes every pair.
        usage_decay: g for each item; 0.99 in [S16].

    Raises:
        ConfigError: if an option has an unknown value or a number is out of its range.

    Examples:
        >>> memory, items = BoundedKeyValueMemory(features=4, code_width=2, slots=3), torch.eye(4).unsqueeze(0)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 4, 2), mask=torch.ones(1, 4, dtype=torch.bool))
        >>> state.written_at  # the fourth pair replaces the oldest one
        tensor([[4., 2., 3.]])
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        slots: int = 128,
        evict: Literal["age", "usage", "quota"] = "age",
        surprise: float | None = None,
        usage_decay: float = 0.99,
        key_width: int | None = None,
        hops: int = 1,
        strength: float = 10.0,
        never_seen: float = 0.5,
        top_k: int | None = None,
    ) -> None:
        check_size("memory.slots", slots)
        check_choice("memory.evict", evict, ("age", "usage", "quota"))
        if surprise is not None:
            check_number("memory.surprise", surprise, least=0)
        check_number("memory.usage_decay", usage_decay, least=0, most=1)
        super().__init__(features, code_width, key_width, hops, strength, never_seen, top_k)
        self.slots, self.evict, self.usage_decay = slots, evict, usage_decay
        # mass of its label below which an item is a surprise
        self.known = None if surprise is None else math.exp(-surprise)

    @property
    def capacity(self) -> int:
        """Its slots."""
        return self.slots

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> BoundedState:
        """Empty slots."""
        return BoundedState(
            keys=like.new_zeros(batch, self.slots, self.key_width),
            values=like.new_zeros(batch, self.slots, code_width),
            filled=torch.zeros(batch, self.slots, dtype=torch.bool, device=like.device),
            written_at=like.new_zeros(batch, self.slots),
            usage=like.new_zeros(batch, self.slots),
        )

    def step(self, state: BoundedState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, BoundedState]:
        """Read for one item, then write it if it is a surprise; codes wider than the values widen them with zeros."""
        state, codes = _as_wide(state, codes)
        key = self.keys_of(features)
        weights = self._attention(state, key)
        read = masses(weights.unsqueeze(1), state.values).squeeze(1)
        written = mask
        if self.known is not None:
            written = mask & ((read[:, :-1] * codes).sum(-1) < self.known)

        slots = torch.arange(self.slots, device=mask.device)
        here = (slots == self._slot_to_fill(state, codes).unsqueeze(1)) & written.unsqueeze(1)
        usage = self.usage_decay * state.usage + weights[:, :-1].detach()
        new = BoundedState(
            keys=torch.where(here.unsqueeze(-1), key.unsqueeze(1), state.keys),
            values=torch.where(here.unsqueeze(-1), codes.unsqueeze(1), state.values),
            filled=state.filled | here,
            written_at=torch.where(here, state.written_at.amax(1, keepdim=True) + 1, state.written_at),
            # what was read of the pair evicted says nothing about the new one
            usage=torch.where(mask.unsqueeze(1), usage.masked_fill(here, 1), state.usage),
        )
        return read, new

    def scan(self, state: BoundedState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, BoundedState]:
        """The slot of every item first, without gradients; then all reads of a chunk at once. Linear in the steps."""
        state, codes = _as_wide(state, codes)
        place = self._places(state, features, codes, mask)
        keys = self.keys_of(features)
        length = max(self.slots, SHORTEST_CHUNK)
        reads = []
        # split, because the gradient of a slice is as large as the whole sequence
        for chunk in zip(*(torch.split(part, length, 1) for part in (keys, codes, mask, place)), strict=True):
            read, state = self._scan_chunk(state, *chunk)
            reads.append(read)
        return torch.cat(reads, 1), state

    def trace(self, state: BoundedState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights of the last hop over the slots, the "never seen" slot last."""
        weights = []
        for t in range(features.shape[1]):
            weights.append(self._attention(state, self.keys_of(features[:, t])))
            _, state = self.step(state, features[:, t], codes[:, t], mask[:, t])
        return Trace(torch.stack(weights, 1).unsqueeze(1), "slot (last: never seen)")

    def _attention(self, state: BoundedState, key: Tensor) -> Tensor:
        """Weights of one read, `batch x (slots + 1)`."""
        return self.weights(key.unsqueeze(1), state.keys, state.filled.unsqueeze(1), self.threshold()).squeeze(1)

    def _slot_to_fill(self, state: BoundedState, code: Tensor) -> Tensor:
        """The first empty slot, or else the one to evict, `batch`."""
        worth = state.usage if self.evict == "usage" else state.written_at
        if self.evict == "quota":
            held = _same(state.values, state.values).sum(-1) + _same(state.values, code.unsqueeze(1)).squeeze(-1)
            worth = worth.masked_fill(held < held.amax(1, keepdim=True), torch.inf)
        # of equal ones argmin takes the first
        return worth.masked_fill(~state.filled, -1).argmin(1)

    def _places(self, state: BoundedState, features: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """The slot that each item is written to, `batch x steps`; the number of slots where it is not written."""
        has_room = features.shape[1] + int(state.filled.sum(1).amax()) <= self.slots
        if self.known is None and (has_room or self.evict == "age"):
            in_turn = state.written_at.argsort(dim=1, stable=True)
            written_before = mask.long().cumsum(1) - mask.long()
            return in_turn.gather(1, written_before % self.slots).masked_fill(~mask, self.slots)
        places = torch.full_like(mask, self.slots, dtype=torch.long)
        with torch.no_grad():
            for t in range(features.shape[1]):
                before, (_, state) = state, self.step(state, features[:, t], codes[:, t], mask[:, t])
                here = state.written_at != before.written_at
                places[:, t] = torch.where(here.any(1), here.long().argmax(1), self.slots)
        return places

    def _scan_chunk(
        self, state: BoundedState, keys: Tensor, codes: Tensor, mask: Tensor, place: Tensor
    ) -> tuple[Tensor, BoundedState]:
        """The chained step over items whose slots are known: a read is attention on those that are there at its time.

        A column is what a slot held at first, or an item. Columns stand in the order of time: in any order that
        depends on later items, these would show in the rounding of earlier reads.
        """
        batch, steps = mask.shape
        time, slots = torch.arange(steps, device=mask.device), torch.arange(self.slots, device=mask.device)
        slot = torch.cat([slots.expand(batch, -1), place], 1)
        slot_sorted, by_slot = slot.sort(dim=1, stable=True)
        # the next column of the same slot is what evicts a pair, the last one what the slot holds in the end
        born = F.pad(time, (self.slots, 0), value=-1).expand(batch, -1)
        evicted = torch.where(slot_sorted[:, 1:] == slot_sorted[:, :-1], born.gather(1, by_slot[:, 1:]), steps)
        gone = torch.empty_like(slot).scatter(1, by_slot, F.pad(evicted, (0, 1), value=steps))
        last = by_slot.gather(1, torch.searchsorted(slot_sorted, slots.expand(batch, -1).contiguous(), right=True) - 1)

        written, present = place < self.slots, mask.to(keys.dtype)
        filled = torch.cat([state.filled, written], 1)
        now = time.unsqueeze(1)
        there = (born.unsqueeze(1) < now) & (now <= gone.unsqueeze(1)) & filled.unsqueeze(1)
        all_keys, values = torch.cat([state.keys, keys], 1), torch.cat([state.values, codes], 1)
        weights = self.weights(keys, all_keys, there, self.threshold(), ties=by_slot)

        number = torch.cat([state.written_at, state.written_at.amax(1, keepdim=True) + written.cumsum(1)], 1)
        # usage in closed form: what a step adds fades with every later item
        faded = self.usage_decay ** (present.flip(1).cumsum(1).flip(1) - present)
        usage = torch.cat([self.usage_decay ** present.sum(1, keepdim=True) * state.usage, faded], 1)
        usage = usage + ((faded * present).unsqueeze(1) @ weights[..., :-1].detach()).squeeze(1)
        final = BoundedState(*(_take(tensor, last) for tensor in (all_keys, values, filled, number, usage)))
        return masses(weights, values), final


def _as_wide(state: BoundedState, codes: Tensor) -> tuple[BoundedState, Tensor]:
    """Values and codes, the narrower ones padded with zeros."""
    wider = codes.shape[-1] - state.values.shape[-1]
    return state._replace(values=F.pad(state.values, (0, max(wider, 0)))), F.pad(codes, (0, max(-wider, 0)))


def _same(codes: Tensor, others: Tensor) -> Tensor:
    """True where two codes are equal, `batch x codes x others`."""
    # the sum of absolute differences is exactly 0 for equal codes, other distances may round
    return torch.cdist(codes.detach(), others.detach(), p=1) == 0


def _take(tensor: Tensor, index: Tensor) -> Tensor:
    """Entries of axis 1, `batch x entries [x width]`, by their numbers, `batch x taken`."""
    return torch.take_along_dim(tensor, index.view(*index.shape, *[1] * (tensor.dim() - 2)), 1)
