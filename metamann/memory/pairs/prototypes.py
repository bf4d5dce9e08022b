"""Prototypes: one slot a label, the mean of all keys written with it, read by cosine.

    c_l    = sum of the keys k_i written with label l                            [S17, eq. 1, up to its length]
    w      = softmax over the labels l, and "never seen" behind them, of [s cos(q, c_l); s n]
    masses = w                                                                   [S17, eq. 2, with the cosine]

With one example of each label this is `keyvalue`; with more, what they have in common weighs more than the one that
happens to lie nearest.

References:
    [S17] Snell, Swersky and Zemel, Prototypical Networks for Few-shot Learning, NeurIPS 2017.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.memory.interface import Trace
from metamann.memory.pairs.pairs import PairMemory, at_slots, masses, of_examples

SAME = 1e-6  # squared distance of two codes, below which they stand for one label


class PrototypeState(NamedTuple):
    """What one episode has written so far.

    Attributes:
        sums: `batch x slots x key_width`, of the unit keys of a label, in the slot of its first pair; zeros elsewhere.
        values: `batch x slots x code_width`, the label codes.
        filled: `batch x slots`, true for the first pair of each label.
        keys: `batch x slots x key_width`, the unit key of each pair; zeros where a step was masked or a pair was taken
            out. No read needs them: they are what a sum is made of again when a pair is taken out.
        written: `batch x slots`, true where a pair is.
    """

    sums: Tensor
    values: Tensor
    filled: Tensor
    keys: Tensor
    written: Tensor


class PrototypeMemory(PairMemory[PrototypeState]):
    """A running mean for every label [S17]; arguments as in `PairMemory`.

    Examples:
        >>> memory, items = PrototypeMemory(features=2, code_width=2), torch.eye(2).unsqueeze(0)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> state = memory.write(state, items, codes=torch.eye(2)[:1].expand(1, 2, 2), mask=torch.ones(1, 2) > 0)
        >>> state.sums[0].tolist()  # both pairs have the same label, whose slot is the first one
        [[1.0, 1.0], [0.0, 0.0]]
    """

    can_forget: ClassVar[bool] = True

    def __init__(
        self,
        features: int,
        code_width: int,
        key_width: int | None = None,
        strength: float = 10.0,
        never_seen: float = 0.5,
    ) -> None:
        super().__init__(features, code_width, key_width, 1, strength, never_seen, None)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> PrototypeState:
        """No pair written."""
        keys, nothing = like.new_zeros(batch, 0, self.key_width), torch.zeros(batch, 0, dtype=torch.bool)
        nothing = nothing.to(like.device)
        return PrototypeState(keys, like.new_zeros(batch, 0, code_width), nothing, keys, nothing)

    def step(
        self, state: PrototypeState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, PrototypeState]:
        """Read for one item, then add it to its label's sum; a masked step appends an empty slot."""
        items = features.unsqueeze(1)
        read = masses(self._weights(state, items, self.threshold()), state.values).squeeze(1)
        return read, self.write(state, items, codes.unsqueeze(1), mask.unsqueeze(1))

    def slot_weights(self, state: PrototypeState, features: Tensor) -> Tensor:
        """Attention of `read` on the sums, "never seen" last; see `PairMemory.slot_weights`."""
        return self._weights(state, features, self.threshold().detach())

    def write(self, state: PrototypeState, features: Tensor, codes: Tensor, mask: Tensor) -> PrototypeState:
        """Add every pair to the slot where its label was first written."""
        return _gathered(_appended(state, self.keys_of(features), codes, mask))

    def forget(self, state: PrototypeState, taken: Tensor) -> PrototypeState:
        """Add up the keys that stay; see `Memory.forget`."""
        stays = state.written & ~at_slots(taken, state.written)
        keys, values = state.keys * stays.unsqueeze(-1), state.values * stays.unsqueeze(-1)
        return _gathered(PrototypeState(keys, values, stays, keys, stays))

    def read_weights(self, state: PrototypeState, features: Tensor) -> Tensor:
        """The weight of each label, shared evenly by its pairs; see `Memory.read_weights`."""
        same = same_label(state.values, state.written)
        first = first_of_label(same).unsqueeze(1)
        weights = self.slot_weights(state, features)[..., :-1]
        shared = weights.gather(2, first.expand_as(weights)) / same.sum(-1).clamp_min(1).unsqueeze(1)
        return of_examples(shared, state.written)

    def scan(
        self, state: PrototypeState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, PrototypeState]:
        """The whole sequence in one pass: step t reads the sums of what was written before it."""
        weights, values = self._pass(state, features, codes, mask)
        return masses(weights, values), self.write(state, features, codes, mask)

    def trace(self, state: PrototypeState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights over the slots, the "never seen" slot last, and the slot that each pair goes to."""
        weights, _ = self._pass(state, features, codes, mask)
        pairs = _appended(state, self.keys_of(features), codes, mask)
        first = first_of_label(same_label(pairs.values, pairs.filled))[:, -features.shape[1] :]
        written = F.one_hot(first, pairs.filled.shape[1]) * mask.unsqueeze(-1)
        label = "slot (of a label: where it was first written; last of a read: never seen)"
        return Trace(weights.unsqueeze(1), label, written.to(weights.dtype).unsqueeze(1))

    def _weights(self, state: PrototypeState, features: Tensor, never_seen: Tensor) -> Tensor:
        queries, keys = self.keys_of(features), F.normalize(state.sums, dim=-1)
        return self.weights(queries, keys, state.filled.unsqueeze(1), never_seen)

    def _pass(self, state: PrototypeState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of every step, `batch x steps x (slots + 1)`, and the values of the slots.

        The sum c of a label before step t is never formed: its product with a query is a sum of products of keys, and
        its squared length grows, with each key k of the label, by 2 c.k + k.k.
        """
        keys = self.keys_of(features)
        all_keys, values, filled, *_ = _appended(state, keys, codes, mask)
        before, steps = state.filled.shape[1], features.shape[1]
        slots = torch.arange(filled.shape[1], device=mask.device)
        same = same_label(values, filled)
        is_first = filled & _is_own(first_of_label(same))
        earlier = slots < before + torch.arange(steps, device=mask.device).unsqueeze(1)  # steps x slots

        label = same.to(keys.dtype)
        products = (keys @ all_keys.transpose(1, 2)) * earlier
        with_sums = products @ label  # batch x steps x slots: of a step's key and the sum of the slot's label
        own = (keys * keys).sum(-1, keepdim=True)
        growth = label[:, before:] * (2 * with_sums + own)
        at_start = (label[:, :before] * all_keys[:, :before].square().sum(-1, keepdim=True)).sum(1, keepdim=True)
        squares = torch.cat([at_start, growth], 1)[:, :steps].cumsum(1)
        cosines = with_sums * squares.clamp_min(1e-24).rsqrt()
        return self.attention(cosines, is_first.unsqueeze(1) & earlier, self.threshold()), values


def _appended(state: PrototypeState, keys: Tensor, codes: Tensor, mask: Tensor) -> PrototypeState:
    """The pairs behind what is there, each in a slot of its own; codes wider than before widen the old values."""
    wider = codes.shape[-1] - state.values.shape[-1]
    present = mask.unsqueeze(-1)
    return PrototypeState(
        torch.cat([state.sums, keys * present], 1),
        torch.cat([F.pad(state.values, (0, max(wider, 0))), F.pad(codes, (0, max(-wider, 0))) * present], 1),
        torch.cat([state.filled, mask], 1),
        torch.cat([state.keys, keys * present], 1),
        torch.cat([state.written, mask], 1),
    )


def _gathered(pairs: PrototypeState) -> PrototypeState:
    """The sums of each label, wherever they stand, in the slot of its first pair."""
    first = first_of_label(same_label(pairs.values, pairs.filled))
    sums = torch.zeros_like(pairs.sums).scatter_add(1, first.unsqueeze(-1).expand_as(pairs.sums), pairs.sums)
    return pairs._replace(sums=sums, filled=pairs.filled & _is_own(first))


def same_label(values: Tensor, filled: Tensor) -> Tensor:
    """True for filled slots with the same label code, `batch x slots x slots`."""
    squares = values.square().sum(-1)
    distance = squares.unsqueeze(2) + squares.unsqueeze(1) - 2 * values @ values.transpose(1, 2)
    return (distance < SAME) & filled.unsqueeze(2) & filled.unsqueeze(1)


def first_of_label(same: Tensor) -> Tensor:
    """Slot where the label of each slot was first written, `batch x slots`; of an empty slot, itself."""
    passed_over = (same.cumsum(-1) == 0).sum(-1)  # slots before the first of the label: all, if there is none
    return passed_over.minimum(torch.arange(same.shape[-1], device=same.device))


def _is_own(first: Tensor) -> Tensor:
    return first == torch.arange(first.shape[-1], device=first.device)
