"""Key-value memory: append (key, label code) pairs, read by cosine with the keys.

References:
    [V16] Vinyals et al., Matching Networks for One Shot Learning, 2016, eq. 1.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.memory.interface import Memory, Trace


class KeyValueState(NamedTuple):
    """What one episode has written so far.

    Attributes:
        keys: `batch x slots x key_width`, unit vectors; zeros where a step was masked.
        values: `batch x slots x code_width`, the label codes written with them.
        filled: `batch x slots`, true where a pair was written.
    """

    keys: Tensor
    values: Tensor
    filled: Tensor


class KeyValueMemory(Memory[KeyValueState]):
    """Append-only pairs and a learned "never seen" slot, which takes the attention that nothing written deserves.

    Args:
        features: width of the features.
        code_width: of the label codes; any goes, values are kept as wide as they come.
        key_width: width of the keys; None takes the features themselves as keys.
        hops: reads in a row; each further query is moved by the keys that the one before it found.
        strength: sharpness of the softmax over cosines at the start of training; learned.
        never_seen: cosine that a written key must beat to be recognised, at the start of training; learned.
    """

    reads_label_mass: ClassVar[bool] = True

    def __init__(
        self,
        features: int,
        code_width: int,
        key_width: int | None = None,
        hops: int = 1,
        strength: float = 10.0,
        never_seen: float = 0.5,
    ) -> None:
        super().__init__()
        self.key_width = key_width or features
        self.read_width = code_width + 1
        self.key = nn.Linear(features, key_width) if key_width else nn.Identity()
        self.hops = hops
        self.query_update = nn.GRUCell(self.key_width, self.key_width) if hops > 1 else None
        self.log_strength = nn.Parameter(torch.tensor(math.log(strength)))
        self.never_seen = nn.Parameter(torch.tensor(never_seen))
        self.margin: Tensor
        self.register_buffer("margin", torch.zeros(()))

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> KeyValueState:
        """No pair written."""
        return KeyValueState(
            like.new_zeros(batch, 0, self.key_width),
            like.new_zeros(batch, 0, code_width),
            torch.zeros(batch, 0, dtype=torch.bool, device=like.device),
        )

    def novelty_margin(self) -> Tensor:
        """What evaluation adds to the cosine that a written key must beat to be recognised."""
        return self.margin

    def keys_of(self, features: Tensor) -> Tensor:
        """Unit keys, `... x features` to `... x key_width`."""
        return F.normalize(self.key(features), dim=-1)

    def step(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, KeyValueState]:
        """Read for one item, then append it; a masked step appends an empty slot, which nothing reads."""
        read = self._read(state, features.unsqueeze(1), self._threshold()).squeeze(1)
        return read, self.write(state, features.unsqueeze(1), codes.unsqueeze(1), mask.unsqueeze(1))

    def write(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> KeyValueState:
        """Append pairs; codes wider than those written so far widen the old values with zeros."""
        return self._append(state, self.keys_of(features), codes, mask)

    def read(self, state: KeyValueState, features: Tensor) -> Tensor:
        """Mass of attention on every label code [V16], and on "never seen" behind it.

        Args:
            state: what was written.
            features: `batch x queries x features`.

        Returns:
            `batch x queries x (code_width + 1)`; the masses sum to 1 where codes are one-hot.
        """
        # queries are asked after the support has shown every class: they teach nothing of novelty, and without the
        # detachment rounding noise, which Adam scales up, would carry the threshold away
        return self._read(state, features, self._threshold().detach())

    def scan(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, KeyValueState]:
        """The whole sequence in one pass: step t reads the slots written before it."""
        keys = self.keys_of(features)
        final = self._append(state, keys, codes, mask)
        readable = _written_before(state, final, features.shape[1])
        weights = self._weights(keys, final.keys, readable, self._threshold())
        return self._masses(weights, final.values), final

    def trace(self, state: KeyValueState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights of the last hop over the slots, the "never seen" slot last."""
        keys = self.keys_of(features)
        final = self._append(state, keys, codes, mask)
        readable = _written_before(state, final, features.shape[1])
        weights = self._weights(keys, final.keys, readable, self._threshold())
        return Trace(weights.unsqueeze(1), "slot (written at this step; last: never seen)")

    def _threshold(self) -> Tensor:
        return self.never_seen if self.training else self.never_seen + self.margin

    def _read(self, state: KeyValueState, features: Tensor, never_seen: Tensor) -> Tensor:
        queries = self.keys_of(features)
        readable = state.filled.unsqueeze(1).expand(-1, queries.shape[1], -1)
        return self._masses(self._weights(queries, state.keys, readable, never_seen), state.values)

    def _append(self, state: KeyValueState, keys: Tensor, codes: Tensor, mask: Tensor) -> KeyValueState:
        wider = codes.shape[-1] - state.values.shape[-1]
        shown = mask.unsqueeze(-1)
        return KeyValueState(
            torch.cat([state.keys, keys * shown], 1),
            torch.cat([F.pad(state.values, (0, max(wider, 0))), F.pad(codes, (0, max(-wider, 0))) * shown], 1),
            torch.cat([state.filled, mask], 1),
        )

    def _weights(self, queries: Tensor, keys: Tensor, readable: Tensor, never_seen: Tensor) -> Tensor:
        """Attention over the readable slots and "never seen", `batch x queries x (slots + 1)`."""
        strength = self.log_strength.exp()
        novelty = (strength * never_seen).expand(*queries.shape[:2], 1)
        lowest = torch.finfo(queries.dtype).min

        def attend(queries: Tensor) -> Tensor:
            scores = (strength * queries @ keys.transpose(1, 2)).masked_fill(~readable, lowest)
            return torch.cat([scores, novelty], -1).softmax(-1)

        weights = attend(queries)
        if self.query_update is not None:
            for _ in range(self.hops - 1):
                found = weights[..., :-1] @ keys
                moved = self.query_update(found.flatten(0, 1), queries.flatten(0, 1)).view_as(queries)
                queries = F.normalize(moved, dim=-1)
                weights = attend(queries)
        return weights

    @staticmethod
    def _masses(weights: Tensor, values: Tensor) -> Tensor:
        return torch.cat([weights[..., :-1] @ values, weights[..., -1:]], -1)


def _written_before(state: KeyValueState, final: KeyValueState, steps: int) -> Tensor:
    """True where a slot was filled before a step, `batch x steps x slots`."""
    slots = torch.arange(final.filled.shape[1], device=final.filled.device)
    first_new = state.filled.shape[1]
    earlier = slots < first_new + torch.arange(steps, device=slots.device).unsqueeze(1)
    return earlier & final.filled.unsqueeze(1)
