"""Ridge regression as a memory: the linear map from keys to label codes that fits all written pairs best.

    k_i = W_k x_i / |W_k x_i|
    A = sum over i of k_i k_i^T,    B = sum over i of k_i c_i^T                             written: two sums
    r(q) = q^T (A + lambda I)^-1 B                                                          read [B19, section 3.2]
         = (K q)^T (K K^T + lambda I)^-1 C                     the same for the rows K of keys and C of codes (Woodbury)

Writing adds an outer product to each sum and forgetting subtracts it; the order of writing does not matter. One step
of recursive least squares has the form of the delta rule, with a matrix in place of its gate:

    S_t = S_{t-1} + (A_t + lambda I)^-1 k_t (c_t - S_{t-1}^T k_t)^T

Over a sequence nothing is solved step by step. With L L^T the Cholesky decomposition of K K^T + lambda I, the first t
rows of L^-1 C and of L^-1 K k_t follow from the first t pairs alone: their product is what step t reads.

References:
    [B19] Bertinetto et al., Meta-learning with Differentiable Closed-form Solvers, ICLR 2019.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import check_number, check_size
from metamann.memory.controlled.controlled import check_code_width
from metamann.memory.interface import Memory, Trace, scan_by_groups
from metamann.memory.pairs.pairs import at_slots, of_examples

NAMED = 5.0  # logit of a class whose code is read in full, at the start of training


class RidgeState(NamedTuple):
    """What one episode has written so far.

    Attributes:
        gram: `batch x key_width x key_width`, the sum of the outer products of the keys.
        cross: `batch x key_width x code_width`, the sum of the outer products of keys and codes.
        keys: `batch x slots x key_width`, unit vectors; zeros where a step was masked or a pair was forgotten.
        values: `batch x slots x code_width`.
        filled: `batch x slots`, true where a pair is.
    """

    gram: Tensor
    cross: Tensor
    keys: Tensor
    values: Tensor
    filled: Tensor


class RidgeMemory(Memory[RidgeState]):
    """Ridge regression from keys to label codes [B19].

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it. None stores codes as wide
            as they are, of one width in an episode.
        key_width: width of the keys; None takes the features themselves as keys.
        penalty: lambda at the start of training; learned.

    Raises:
        ConfigError: if a size is not a whole number from 1 on, or the penalty is not positive.

    Examples:
        >>> memory, items = RidgeMemory(features=3, code_width=2, key_width=None), torch.eye(3).unsqueeze(0)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> state = memory.write(state, items, codes=torch.eye(2)[torch.tensor([[0, 1, 1]])], mask=mask)
        >>> memory.read(state, items).argmax(-1)
        tensor([[0, 1, 1]])
    """

    can_forget: ClassVar[bool] = True

    def __init__(
        self, features: int, code_width: int | None, key_width: int | None = 128, penalty: float = 0.1
    ) -> None:
        check_size("memory.key_width", key_width, optional=True)
        check_number("memory.penalty", penalty, least=0, above=True)
        super().__init__()
        self.code_width, self.read_width = code_width, code_width or 0
        self.key_width = key_width or features
        self.key = nn.Linear(features, key_width) if key_width else nn.Identity()
        self.log_penalty = nn.Parameter(torch.tensor(math.log(penalty)))

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> RidgeState:
        """Nothing written.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        if self.code_width is not None:
            check_code_width(code_width, self.code_width)
            code_width = self.code_width
        return RidgeState(
            like.new_zeros(batch, self.key_width, self.key_width),
            like.new_zeros(batch, self.key_width, code_width),
            like.new_zeros(batch, 0, self.key_width),
            like.new_zeros(batch, 0, code_width),
            torch.zeros(batch, 0, dtype=torch.bool, device=like.device),
        )

    def keys_of(self, features: Tensor) -> Tensor:
        """Unit keys, `... x features` to `... x key_width`."""
        return F.normalize(self.key(features), dim=-1)

    def step(self, state: RidgeState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, RidgeState]:
        """Read for one item, then add its pair."""
        keys = self.keys_of(features.unsqueeze(1))
        return self._by_sums(state, keys).squeeze(1), self._added(state, keys, codes.unsqueeze(1), mask.unsqueeze(1))

    def read(self, state: RidgeState, features: Tensor) -> Tensor:
        """The code that the fitted map gives each query, `batch x queries x code_width`."""
        queries = self.keys_of(features)
        if state.keys.shape[1] < self.key_width:
            return self._by_pairs(state.keys, state.values, queries)
        return self._by_sums(state, queries)

    def write(
        self, state: RidgeState, features: Tensor, codes: Tensor, mask: Tensor, weights: Tensor | None = None
    ) -> RidgeState:
        """Add pairs; see `Memory.write`.

        Args:
            state: what came before.
            features: `batch x steps x features`.
            codes: `batch x steps x code_width`.
            mask: `batch x steps`.
            weights: of the squared error of each pair, `batch x steps`, positive; None weighs all alike. A pair of
                weight w is stored as its key and its code, both times the square root of w.
        """
        keys = self.keys_of(features)
        if weights is not None:
            root = weights.sqrt().unsqueeze(-1)
            keys, codes = keys * root, codes * root
        return self._added(state, keys, codes, mask)

    def forget(self, state: RidgeState, taken: Tensor) -> RidgeState:
        """Subtract the pairs from the sums; see `Memory.forget`."""
        gone = (at_slots(taken, state.filled) & state.filled).unsqueeze(-1)
        keys, values = state.keys * gone, state.values * gone
        return RidgeState(
            state.gram - keys.transpose(1, 2) @ keys,
            state.cross - keys.transpose(1, 2) @ values,
            state.keys.masked_fill(gone, 0),
            state.values.masked_fill(gone, 0),
            state.filled & ~gone.squeeze(-1),
        )

    def scan(self, state: RidgeState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, RidgeState]:
        """All steps by one Cholesky decomposition."""
        if not features.shape[1]:
            return super().scan(state, features, codes, mask)
        return scan_by_groups(self._scan_group, state, features, codes, mask)

    def trace(self, state: RidgeState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Share of every earlier value in each read, negative where it is corrected for; last, what is missing to 1.

        Reads are linear in the values: with the one-hot number of each step in place of its label, what is read is
        the shares.
        """
        batch, steps, _ = features.shape
        keys = self.keys_of(features) * mask.unsqueeze(-1)
        numbers = torch.eye(steps, dtype=keys.dtype, device=keys.device).expand(batch, -1, -1)
        shares = self._sequence(state.gram, keys.new_zeros(batch, self.key_width, steps), keys, keys, numbers)
        return Trace(
            torch.cat([shares, 1 - shares.sum(-1, keepdim=True)], -1).unsqueeze(1),
            "slot (written at this step; last: nothing found)",
        )

    def read_weights(self, state: RidgeState, features: Tensor) -> Tensor:
        """Factor of the value of each pair in a read, which may be negative; see `Memory.read_weights`."""
        queries = self.keys_of(features)
        identity = torch.eye(state.keys.shape[1], dtype=queries.dtype, device=queries.device)
        weights = self._by_pairs(state.keys, identity.expand(len(queries), -1, -1), queries)
        return of_examples(weights, state.filled)

    def code_readout(self) -> Tensor:
        """What is read is a label code already."""
        return torch.eye(self.read_width) * NAMED

    def left_out(self, state: RidgeState, groups: Tensor) -> Tensor:
        """What the key of each pair would read if no pair of its group had been written, `batch x slots x code_width`.

        Of empty slots, any number.

        With H = K (K^T K + lambda I)^-1 K^T and the residuals e = C - H C of all pairs, the residuals of the pairs of
        one group g without it are (I - H_gg)^-1 e_g: nothing is fitted anew.

        Args:
            state: what was written.
            groups: number of the group of each slot, `batch x slots`, from 0 on.
        """
        block, inverse = _blocks(groups, state.filled)
        half = torch.linalg.solve_triangular(self._decomposed(state.gram), state.keys.transpose(1, 2), upper=False)
        fitted = half.transpose(1, 2) @ (half @ state.values)
        halves, residuals = _at(half.transpose(1, 2), block), _at(state.values - fitted, block)
        identity = torch.eye(block.shape[-1], dtype=half.dtype, device=half.device)
        left: Tensor = torch.linalg.solve(identity - halves @ halves.transpose(-1, -2), residuals)
        return state.values - left.flatten(1, 2).gather(1, inverse.unsqueeze(-1).expand_as(state.values))

    def _by_sums(self, state: RidgeState, queries: Tensor) -> Tensor:
        """The read by as many equations as a key is wide."""
        return queries @ torch.cholesky_solve(state.cross, self._decomposed(state.gram))

    def _by_pairs(self, keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
        """The read by as many equations as there are slots; empty slots have keys of zeros, and so no part in it."""
        products = keys @ keys.transpose(1, 2)
        return queries @ keys.transpose(1, 2) @ torch.cholesky_solve(values, self._decomposed(products))

    def _decomposed(self, matrix: Tensor) -> Tensor:
        """Cholesky decomposition of a matrix plus lambda I."""
        identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
        factor: Tensor = torch.linalg.cholesky(matrix + self.log_penalty.exp() * identity)
        return factor

    def _added(self, state: RidgeState, keys: Tensor, codes: Tensor, mask: Tensor) -> RidgeState:
        present = mask.unsqueeze(-1)
        keys, values = keys * present, self._padded(codes) * present
        return RidgeState(
            state.gram + keys.transpose(1, 2) @ keys,
            state.cross + keys.transpose(1, 2) @ values,
            torch.cat([state.keys, keys], 1),
            torch.cat([state.values, values], 1),
            torch.cat([state.filled, mask], 1),
        )

    def _scan_group(
        self, state: RidgeState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, RidgeState]:
        keys, present = self.keys_of(features), mask.unsqueeze(-1)
        reads = self._sequence(state.gram, state.cross, keys, keys * present, self._padded(codes) * present)
        return reads, self._added(state, keys, codes, mask)

    def _sequence(self, gram: Tensor, cross: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What each step reads before its own pair is added.

        The pairs that were written before the sequence change the inner product of two keys to
        lambda k^T (A + lambda I)^-1 k', and the values to what their fit leaves over.

        Args:
            gram: A before the sequence.
            cross: B before the sequence, `batch x key_width x value_width`.
            queries: the key of each step, `batch x steps x key_width`.
            keys: the same, zeros for masked steps.
            values: `batch x steps x value_width`, zeros for masked steps.
        """
        before = self._decomposed(gram)
        fitted = torch.cholesky_solve(cross, before)
        of_keys, of_queries = (
            torch.linalg.solve_triangular(before, items.transpose(1, 2), upper=False) for items in (keys, queries)
        )
        penalty, by_keys = self.log_penalty.exp(), of_keys.transpose(1, 2)
        decomposed = self._decomposed(penalty * (by_keys @ of_keys))
        # row t of a solution by a lower triangle depends on the rows before it alone
        shared = torch.linalg.solve_triangular(decomposed, penalty * (by_keys @ of_queries), upper=False)
        left_over = torch.linalg.solve_triangular(decomposed, values - keys @ fitted, upper=False)
        reads: Tensor = queries @ fitted + shared.transpose(1, 2).tril(-1) @ left_over
        return reads

    def _padded(self, codes: Tensor) -> Tensor:
        if self.code_width is None:
            return codes
        check_code_width(codes.shape[-1], self.code_width)
        return F.pad(codes, (0, self.code_width - codes.shape[-1]))


def _blocks(groups: Tensor, filled: Tensor) -> tuple[Tensor, Tensor]:
    """Slots by group.

    Args:
        groups: number of the group of each slot, `batch x slots`.
        filled: `batch x slots`; empty slots are in no group, which keeps the blocks as small as the groups are.

    Returns:
        The slots of each group, `batch x groups x most`, padded with the number of slots; and the place of each slot
        in these, flattened, `batch x slots`, any place for empty ones.
    """
    batch, slots = groups.shape
    number = int(groups.masked_fill(~filled, 0).max()) + 1 if slots else 1
    order = groups.where(filled, number).argsort(dim=1, stable=True)
    ordered, kept = groups.where(filled, number).gather(1, order), filled.gather(1, order)
    rank = torch.arange(slots, device=groups.device) - torch.searchsorted(ordered, ordered)
    most = int(rank.masked_fill(~kept, 0).max()) + 1 if slots else 1
    place = (ordered * most + rank).where(kept, number * most)
    block = torch.full((batch, number * most + 1), slots, device=groups.device).scatter(1, place, order)[:, :-1]
    inverse = torch.empty_like(place).scatter(1, order, place.clamp_max(number * most - 1))
    return block.reshape(batch, number, most), inverse


def _at(rows: Tensor, block: Tensor) -> Tensor:
    """Rows `batch x slots x width` at the slots of each group, zeros for padding: `batch x groups x most x width`."""
    index = block.flatten(1).unsqueeze(-1).expand(-1, -1, rows.shape[-1])
    return F.pad(rows, (0, 0, 0, 1)).gather(1, index).view(*block.shape, rows.shape[-1])
