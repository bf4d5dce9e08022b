"""Reading pairs of (key, label code): attention by cosine with the keys, shared by memories that differ in writing.

    w      = softmax over the slots i, and "never seen" behind them, of [s cos(q, k_i); s n]
    masses = [sum over i of w_i c_i; w of "never seen"]                        [V16, eq. 1, with n = -infinity]

References:
    [V16] Vinyals et al., Matching Networks for One Shot Learning, 2016.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import check_number, check_size
from metamann.memory.interface import Memory

# a NamedTuple of tensors, batch first, with at least: `keys`, `batch x slots x key_width`, unit vectors, zeros where
# nothing is; `values`, `batch x slots x code_width`; `filled`, `batch x slots`, true where a pair is
PairState = TypeVar("PairState", bound=Any)


class PairMemory(Memory[PairState]):
    """The keys, and a learned "never seen" slot, which takes the attention that nothing written deserves.

    Args:
        features: width of the features.
        code_width: of the label codes; any width is accepted, values are as wide as their codes.
        key_width: width of the keys; None takes the features themselves as keys.
        hops: reads in a row; each further query is updated with the keys that the one before it read.
        strength: sharpness of the softmax over cosines at the start of training; learned.
        never_seen: cosine that a written key must beat to be recognised, at the start of training; learned.
        top_k: only so many slots of the highest cosine get attention, beside "never seen"; of slots that tie
            in its fourth decimal, the first ones. None reads all.

    Raises:
        ConfigError: if a number is out of its range.
    """

    reads_label_mass: ClassVar[bool] = True

    def __init__(
        self,
        features: int,
        code_width: int,
        key_width: int | None,
        hops: int,
        strength: float,
        never_seen: float,
        top_k: int | None,
    ) -> None:
        check_size("memory.key_width", key_width, optional=True)
        check_size("memory.top_k", top_k, optional=True)
        check_size("memory.hops", hops)
        check_number("memory.strength", strength, least=0, above=True)
        check_number("memory.never_seen", never_seen)
        super().__init__()
        self.key_width = key_width or features
        self.read_width = code_width + 1
        self.key = nn.Linear(features, key_width) if key_width else nn.Identity()
        self.hops = hops
        self.query_update = nn.GRUCell(self.key_width, self.key_width) if hops > 1 else None
        self.log_strength = nn.Parameter(torch.tensor(math.log(strength)))
        self.never_seen = nn.Parameter(torch.tensor(float(never_seen)))
        self.top_k = top_k
        self.margin: Tensor
        self.register_buffer("margin", torch.zeros(()))

    def novelty_margin(self) -> Tensor:
        """What evaluation adds to the cosine that a written key must beat to be recognised."""
        return self.margin

    def keys_of(self, features: Tensor) -> Tensor:
        """Unit keys, `... x features` to `... x key_width`."""
        return F.normalize(self.key(features), dim=-1)

    def read(self, state: PairState, features: Tensor) -> Tensor:
        """Mass of attention on every label code [V16], and on "never seen" behind it.

        Args:
            state: what was written.
            features: `batch x queries x features`.

        Returns:
            `batch x queries x (code_width + 1)`; the masses sum to 1 where codes are one-hot.
        """
        return masses(self.slot_weights(state, features), state.values)

    def slot_weights(self, state: PairState, features: Tensor) -> Tensor:
        """Attention of `read`, `batch x queries x (slots + 1)`, "never seen" last."""
        queries = self.keys_of(features)
        # queries come after an example of every class: nothing about novelty can be learned from them, and without the
        # detachment rounding noise, which Adam scales up, would carry the threshold away
        readable = self.readable(queries, state, state.filled.unsqueeze(1))
        return self.weights(queries, state.keys, readable, self.threshold().detach())

    def readable(self, queries: Tensor, state: PairState, filled: Tensor) -> Tensor:
        """The slots that each query may see, of those that are filled at that time: all of them.

        Args:
            queries: `batch x queries x key_width`, unit vectors.
            state: with all slots.
            filled: broadcast to `batch x queries x slots`.
        """
        return filled

    def threshold(self) -> Tensor:
        """Cosine that a written key must beat to be recognised: with the margin in evaluation."""
        return self.never_seen if self.training else self.never_seen + self.margin

    def weights(
        self, queries: Tensor, keys: Tensor, readable: Tensor, never_seen: Tensor, ties: Tensor | None = None
    ) -> Tensor:
        """Attention of the last hop.

        Args:
            queries: `batch x queries x key_width`, unit vectors.
            keys: `batch x slots x key_width`.
            readable: the slots that each query may see, broadcast to `batch x queries x slots`.
            never_seen: the cosine to beat, one number.
            ties: the order in which `top_k` takes those that tie, `batch x slots`; None takes the first ones.

        Returns:
            `batch x queries x (slots + 1)`, "never seen" last.
        """

        def attend(queries: Tensor) -> Tensor:
            return self.attention(queries @ keys.transpose(1, 2), readable, never_seen, ties)

        weights = attend(queries)
        if self.query_update is not None:
            for _ in range(self.hops - 1):
                read = weights[..., :-1] @ keys
                moved = self.query_update(read.flatten(0, 1), queries.flatten(0, 1)).view_as(queries)
                queries = F.normalize(moved, dim=-1)
                weights = attend(queries)
        return weights

    def attention(self, cosines: Tensor, readable: Tensor, never_seen: Tensor, ties: Tensor | None = None) -> Tensor:
        """Softmax of one hop over the cosines `batch x queries x slots`; the rest as in `weights`."""
        strength, lowest = self.log_strength.exp(), torch.finfo(cosines.dtype).min
        scores = (strength * cosines).masked_fill(~readable, lowest)
        if self.top_k is not None and self.top_k < scores.shape[-1]:
            readable_cosines = cosines.detach().masked_fill(~readable, lowest)
            scores = scores.masked_fill(~_highest(readable_cosines, self.top_k, ties), lowest)
        novelty = (strength * never_seen).expand(*cosines.shape[:2], 1)
        return torch.cat([scores, novelty], -1).softmax(-1)


def masses(weights: Tensor, values: Tensor) -> Tensor:
    """Mass on each label code, "never seen" last: `batch x queries x (slots + 1)` to `... x (code_width + 1)`."""
    return torch.cat([weights[..., :-1] @ values, weights[..., -1:]], -1)


def at_slots(of_examples: Tensor, written: Tensor) -> Tensor:
    """What is true of examples in the order of writing, `batch x examples`, as it stands in the slots.

    Args:
        of_examples: true or false for each example; false for those behind its end.
        written: `batch x slots`, true where an example is.
    """
    end = of_examples.shape[1]
    number = (written.cumsum(1) - 1).clamp_max(end).where(written, end)
    return F.pad(of_examples, (0, 1)).gather(1, number)


def of_examples(weights: Tensor, written: Tensor) -> Tensor:
    """Weights of the slots, `batch x queries x slots`, in the order of writing: `batch x queries x examples`."""
    slots = in_order(written).unsqueeze(1).expand(-1, weights.shape[1], -1)
    return (weights * written.unsqueeze(1)).gather(2, slots)


def in_order(written: Tensor) -> Tensor:
    """Numbers of the slots with an example, in order, `batch x most examples`; then of some without one.

    Args:
        written: `batch x slots`, true where an example is.
    """
    most = int(written.sum(1).max()) if written.numel() else 0
    return (~written).long().argsort(dim=1, stable=True)[:, :most]


def _highest(cosines: Tensor, count: int, ties: Tensor | None) -> Tensor:
    """True at the `count` highest of the last axis."""
    # a matrix product may round equal columns differently: the choice between two equal keys must not depend on that
    ranked = cosines.mul(1e4).round()
    if ties is None:
        best = ranked.argsort(dim=-1, descending=True, stable=True)[..., :count]
    else:
        ties = ties.unsqueeze(1).expand_as(ranked)
        best = ties.gather(-1, ranked.gather(-1, ties).argsort(dim=-1, descending=True, stable=True)[..., :count])
    return torch.zeros_like(ranked, dtype=torch.bool).scatter(-1, best, True)
