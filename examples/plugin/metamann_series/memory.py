"""A memory of pairs, read by a Gaussian of their distance from the query (Nadaraya 1964, Watson 1964)."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import check_number
from metamann.memory.interface import Memory, Trace


class GaussianState(NamedTuple):
    """What one episode has written so far.

    Attributes:
        keys: `batch x slots x features`.
        values: `batch x slots x code_width`, the label codes.
        filled: `batch x slots`, true where a pair is.
    """

    keys: Tensor
    values: Tensor
    filled: Tensor


class GaussianMemory(Memory[GaussianState]):
    """Weights are proportional to exp(-d^2 / 2 h^2); "never seen" is a pair at a distance of its own.

    Args:
        features: width of the features.
        code_width: of the label codes.
        bandwidth: h, at the start of training; learned.
        never_seen: distance that counts as new, at the start of training; learned.
    """

    reads_label_mass: ClassVar[bool] = True

    def __init__(self, features: int, code_width: int, bandwidth: float = 0.5, never_seen: float = 1.0) -> None:
        check_number("memory.bandwidth", bandwidth, least=0, above=True)
        check_number("memory.never_seen", never_seen, least=0, above=True)
        super().__init__()
        self.key_width, self.read_width = features, code_width + 1
        self.log_bandwidth = nn.Parameter(torch.tensor(math.log(bandwidth)))
        self.never_seen = nn.Parameter(torch.tensor(float(never_seen)))

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> GaussianState:
        """No pair written."""
        filled = torch.zeros(batch, 0, dtype=torch.bool, device=like.device)
        return GaussianState(like.new_zeros(batch, 0, self.key_width), like.new_zeros(batch, 0, code_width), filled)

    def step(self, state: GaussianState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, GaussianState]:
        """Read for one item, then append it; a masked step appends an empty slot."""
        read = self.read(state, features.unsqueeze(1)).squeeze(1)
        wider = codes.shape[-1] - state.values.shape[-1]
        keys = torch.cat([state.keys, (features * mask.unsqueeze(-1)).unsqueeze(1)], 1)
        values = torch.cat([F.pad(state.values, (0, wider)), (codes * mask.unsqueeze(-1)).unsqueeze(1)], 1)
        return read, GaussianState(keys, values, torch.cat([state.filled, mask.unsqueeze(1)], 1))

    def read(self, state: GaussianState, features: Tensor) -> Tensor:
        """Mass on every label code, and on "never seen" behind it, `batch x queries x (code_width + 1)`."""
        weights = self.weights(state, features)
        return torch.cat([weights[..., :-1] @ state.values, weights[..., -1:]], -1)

    def weights(self, state: GaussianState, features: Tensor) -> Tensor:
        """Of each slot, "never seen" last, `batch x queries x (slots + 1)`."""
        squares = (features.unsqueeze(2) - state.keys.unsqueeze(1)).square().mean(-1)
        squares = squares.masked_fill(~state.filled.unsqueeze(1), torch.inf)
        squares = torch.cat([squares, self.never_seen.square().expand(*squares.shape[:2], 1)], -1)
        return torch.softmax(-squares / (2 * torch.exp(2 * self.log_bandwidth)), -1)

    def trace(self, state: GaussianState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Weights of every read over the slots of the end, "never seen" last."""
        reads, steps = [], features.shape[1]
        for step in range(steps):
            weights = self.weights(state, features[:, step : step + 1])
            reads.append(torch.cat([F.pad(weights[..., :-1], (0, steps - step)), weights[..., -1:]], -1))
            _, state = self.step(state, features[:, step], codes[:, step], mask[:, step])
        return Trace(torch.cat(reads, 1).unsqueeze(1), "slot (last: never seen)")
