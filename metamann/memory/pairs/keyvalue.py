"""Key-value memory: append (key, label code) pairs, read by cosine with the keys.

Nothing is ever evicted: time and memory of a sequence grow with the square of its length. `bounded.py` holds the
memory of a fixed number of slots.

References:
    [V16] Vinyals et al., Matching Networks for One Shot Learning, 2016, eq. 1.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.memory.interface import Trace
from metamann.memory.pairs.pairs import PairMemory, at_slots, masses, of_examples


class KeyValueState(NamedTuple):
    """What one episode has written so far.

    Attributes:
        keys: `batch x slots x key_width`, unit vectors; zeros where a step was masked or a pair was taken out.
        values: `batch x slots x code_width`, the label codes written with them.
        filled: `batch x slots`, true where a pair is.
    """

    keys: Tensor
    values: Tensor
    filled: Tensor


class KeyValueMemory(PairMemory[KeyValueState]):
    """Append-only pairs [V16]; arguments as in `PairMemory`.

    Examples:
        >>> memory, item = KeyValueMemory(features=2, code_width=3), torch.tensor([[[1.0, 0.0]]])
        >>> state = memory.initial_state(batch=1, code_width=3, like=item)
        >>> state = memory.write(state, item, codes=torch.tensor([[[0.0, 1.0, 0.0]]]), mask=torch.tensor([[True]]))
        >>> (100 * memory.read(state, item)).round().tolist()  # percent on each label and on "never seen"
        [[[0.0, 99.0, 0.0, 1.0]]]
    """

    can_forget: ClassVar[bool] = True

    def __init__(
        self,
        features: int,
        code_width: int,
        key_width: int | None = None,
        hops: int = 1,
        strength: float = 10.0,
        never_seen: float = 0.5,
        top_k: int | None = None,
    ) -> None:
        super().__init__(features, code_width, key_width, hops, strength, never_seen, top_k)

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> KeyValueState:
        """No pair written."""
        return KeyValueState(
            like.new_zeros(batch, 0, self.key_width),
            like.new_zeros(batch, 0, code_width),
            torch.zeros(batch, 0, dtype=torch.bool, device=like.device),
        )

    def step(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, KeyValueState]:
        """Read for one item, then append it; a masked step appends an empty slot, which nothing reads."""
        keys = self.keys_of(features.unsqueeze(1))
        readable = self.readable(keys, state, state.filled.unsqueeze(1))
        weights = self.weights(keys, state.keys, readable, self.threshold())
        read = masses(weights, state.values).squeeze(1)
        return read, self._append(state, keys, codes.unsqueeze(1), mask.unsqueeze(1))

    def write(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> KeyValueState:
        """Append pairs; codes wider than those written so far widen the old values with zeros."""
        return self._append(state, self.keys_of(features), codes, mask)

    def scan(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, KeyValueState]:
        """The whole sequence in one pass: step t reads the slots written before it."""
        weights, final = self._pass(state, features, codes, mask)
        return masses(weights, final.values), final

    def forget(self, state: KeyValueState, taken: Tensor) -> KeyValueState:
        """Empty the slots of these pairs, so that nothing of them is left; see `Memory.forget`."""
        stays = state.filled & ~at_slots(taken, state.filled)
        return KeyValueState(state.keys * stays.unsqueeze(-1), state.values * stays.unsqueeze(-1), stays)

    def read_weights(self, state: KeyValueState, features: Tensor) -> Tensor:
        """Attention of the last hop on each pair; see `Memory.read_weights`."""
        return of_examples(self.slot_weights(state, features)[..., :-1], state.filled)

    def trace(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights of the last hop over the slots, the "never seen" slot last."""
        weights, final = self._pass(state, features, codes, mask)
        written = torch.eye(final.filled.shape[1], device=mask.device)[-features.shape[1] :] * mask.unsqueeze(-1)
        label = "slot (written at this step; last of a read: never seen)"
        return Trace(weights.unsqueeze(1), label, written.unsqueeze(1))

    def _pass(
        self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, KeyValueState]:
        keys = self.keys_of(features)
        final = self._append(state, keys, codes, mask)
        readable = self.readable(keys, final, _written_before(state, final, features.shape[1]))
        return self.weights(keys, final.keys, readable, self.threshold()), final

    def _append(self, state: KeyValueState, keys: Tensor, codes: Tensor, mask: Tensor) -> KeyValueState:
        wider = codes.shape[-1] - state.values.shape[-1]
        present = mask.unsqueeze(-1)
        return KeyValueState(
            torch.cat([state.keys, keys * present], 1),
            torch.cat([F.pad(state.values, (0, max(wider, 0))), F.pad(codes, (0, max(-wider, 0))) * present], 1),
            torch.cat([state.filled, mask], 1),
        )


def _written_before(state: KeyValueState, final: KeyValueState, steps: int) -> Tensor:
    """True where a slot was filled before a step, `batch x steps x slots`."""
    slots = torch.arange(final.filled.shape[1], device=final.filled.device)
    first_new = state.filled.shape[1]
    earlier = slots < first_new + torch.arange(steps, device=slots.device).unsqueeze(1)
    return earlier & final.filled.unsqueeze(1)
