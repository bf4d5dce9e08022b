"""Nearest neighbour: every pair is stored, and a label is as near as the nearest key written with it.

    d_l    = max over the slots i written with label l of cos(q, k_i)                       [YK20, eq. 2, the cosine]
    masses = softmax over the labels l, and "never seen" behind them, of [s d_l; s n]

One key stands for its whole label: no other key is averaged in. For tags of sentences this is NNShot.

References:
    [YK20] Yang and Katiyar, Simple and Effective Few-Shot Named Entity Recognition with Structured Nearest Neighbor
        Learning, EMNLP 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.memory.pairs.keyvalue import KeyValueMemory, KeyValueState
from metamann.memory.pairs.prototypes import first_of_label, same_label


class NearestMemory(KeyValueMemory):
    """Append-only pairs; of each label only the slot nearest to the query gets attention [YK20].

    Arguments as in `PairMemory`.

    Examples:
        >>> memory, items = NearestMemory(features=2, code_width=2), torch.eye(2).unsqueeze(0)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> state = memory.write(state, items, codes=torch.eye(2).unsqueeze(0), mask=torch.tensor([[True, True]]))
        >>> memory.nearest(state, items)[0]  # the slot nearest to each query, for each label
        tensor([[[0, 1],
                 [0, 1]]])
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        key_width: int | None = None,
        strength: float = 10.0,
        never_seen: float = 0.5,
    ) -> None:
        super().__init__(features, code_width, key_width, 1, strength, never_seen)

    def readable(self, queries: Tensor, state: KeyValueState, filled: Tensor) -> Tensor:
        """Of each label the slot nearest to the query; of slots that tie in the fourth decimal, the first one."""
        # a matrix product may round equal columns differently
        ranked = (queries @ state.keys.transpose(1, 2)).detach().mul(1e4).round()
        ranked = ranked.masked_fill(~filled, -torch.inf)
        label = first_of_label(same_label(state.values, state.filled)).unsqueeze(1).expand_as(ranked)
        nearest = torch.full_like(ranked, -torch.inf).scatter_reduce(-1, label, ranked, "amax")
        ties = filled & (ranked == nearest.gather(-1, label))
        place = torch.arange(ranked.shape[-1], device=ranked.device).expand_as(ranked)
        none = ranked.shape[-1]
        first = torch.full_like(place, none).scatter_reduce(-1, label, place.where(ties, none), "amin")
        return ties & (place == first.gather(-1, label))

    def nearest(self, state: KeyValueState, features: Tensor) -> tuple[Tensor, Tensor]:
        """The slot that `read` takes for each label, the nearest to the query, and its cosine, for people to look at.

        Args:
            state: what was written, with one-hot codes.
            features: `batch x queries x features`.

        Returns:
            Slots and cosines, `batch x queries x code_width`; -1 and minus infinity for a label without a slot.
        """
        queries = self.keys_of(features)
        read = self.readable(queries, state, state.filled.unsqueeze(1)).unsqueeze(2)
        of_label = read & (state.values > 0).transpose(1, 2).unsqueeze(1)
        cosines = (queries @ state.keys.transpose(1, 2)).unsqueeze(2).masked_fill(~of_label, -torch.inf)
        # one slot more, which is never the nearest: the maximum over no slots has no meaning
        best = F.pad(cosines, (0, 1), value=-torch.inf).max(-1)
        return best.indices.where(best.values > -torch.inf, -1), best.values
