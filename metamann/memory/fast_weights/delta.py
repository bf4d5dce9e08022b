"""Fast weights under the delta rule: what is found under a key is corrected towards the value written for it.

    k_t = W_k x_t / |W_k x_t|
    r_t = S_{t-1}^T k_t                                         found, and read
    S_t = a_t S_{t-1} + b_t k_t (v_t - a_t r_t)^T               [S21, eq. 24; gated: Y25, section 3.1]

With b_t = 1 the old value of the key is replaced, and what stands under keys orthogonal to it stays. The plain rule has
a_t = 1 and forgets nothing else; in the gated one all of the memory fades by a_t before it is corrected.

References:
    [S21] Schlag, Irie and Schmidhuber, Linear Transformers Are Secretly Fast Weight Programmers, ICML 2021.
    [Y24] Yang et al., Parallelizing Linear Transformers with the Delta Rule over Sequence Length, NeurIPS 2024.
    [Y25] Yang, Kautz and Hatamizadeh, Gated Delta Networks, ICLR 2025.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import ConfigError, check_size
from metamann.memory.controlled.controlled import check_code_width
from metamann.memory.interface import Memory, Trace, keep, scan_by_groups
from metamann.memory.native.compiled import load_library
from metamann.memory.native.delta.delta import compiled_delta_scan

# logits at the start of training: b = 0.95, a = 0.9975, and the logit of a class whose code is read in full
WRITE, KEEP, NAMED = 3.0, 6.0, 5.0


class DeltaState(NamedTuple):
    """What one episode has written so far.

    Attributes:
        fast_weights: `batch x heads x key_width x code_width`.
    """

    fast_weights: Tensor


class DeltaMemory(Memory[DeltaState]):
    """Fast weights from the key of an item to its label code.

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it.
        key_width: width of the keys; None takes the features themselves as keys.
        heads: fast weights with keys and gates of their own; each takes in every label.
        gated: let the memory fade at every step, by a share that the item decides [Y25].
        chunk: steps that `scan` works off at once where it runs in PyTorch; the results are the same for any.

    Raises:
        ConfigError: if a size is not a whole number from 1 on, or several heads have the features as keys.

    Examples:
        >>> memory, items = DeltaMemory(features=3, code_width=2, key_width=None), torch.eye(3).unsqueeze(0)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> mask = torch.ones(1, 3, dtype=torch.bool)
        >>> state = memory.write(state, items, codes=torch.eye(2)[torch.tensor([[0, 1, 1]])], mask=mask)
        >>> memory.read(state, items).argmax(-1)
        tensor([[0, 1, 1]])
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        key_width: int | None = 128,
        heads: int = 1,
        gated: bool = False,
        chunk: int = 32,
    ) -> None:
        check_size("memory.key_width", key_width, optional=True)
        check_size("memory.heads", heads)
        check_size("memory.chunk", chunk)
        if heads > 1 and not key_width:
            raise ConfigError(
                f"memory.heads={heads} would all have the features as keys and read alike: set memory.key_width."
            )
        super().__init__()
        self.code_width, self.heads, self.chunk = code_width, heads, chunk
        self.key_width = key_width or features
        self.read_width = heads * code_width
        self.key = nn.Linear(features, heads * key_width) if key_width else nn.Identity()
        self.write_gate = _gate(features, heads, WRITE)
        self.keep_gate = _gate(features, heads, KEEP) if gated else None

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> DeltaState:
        """Nothing written.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        check_code_width(code_width, self.code_width)
        return DeltaState(like.new_zeros(batch, self.heads, self.key_width, self.code_width))

    def keys_of(self, features: Tensor) -> Tensor:
        """Unit keys, `... x features` to `... x heads x key_width`."""
        return F.normalize(self.key(features).unflatten(-1, (self.heads, self.key_width)), dim=-1)

    def gates_of(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Gate b and logarithm of gate a, both `... x features` to `... x heads`."""
        beta = self.write_gate(features).sigmoid()
        return beta, torch.zeros_like(beta) if self.keep_gate is None else F.logsigmoid(self.keep_gate(features))

    def step(self, state: DeltaState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, DeltaState]:
        """Read for one item, then correct what its key finds towards its label code."""
        key = self.keys_of(features).unsqueeze(-1)  # batch x heads x key_width x 1
        beta, log_alpha = (gate[..., None, None] for gate in self.gates_of(features))
        value = self._padded(codes)[:, None, None]  # batch x 1 x 1 x code_width

        read = key.transpose(-2, -1) @ state.fast_weights
        alpha = log_alpha.exp()
        fast_weights = alpha * state.fast_weights + beta * key * (value - alpha * read)
        return read.flatten(1), keep(mask, DeltaState(fast_weights), state)

    def read(self, state: DeltaState, features: Tensor) -> Tensor:
        """What the key of each query finds, `batch x queries x features` to `batch x queries x heads * code_width`."""
        reads = self.keys_of(features).transpose(1, 2) @ state.fast_weights  # batch x heads x queries x code_width
        return reads.transpose(1, 2).flatten(2)

    def scan(self, state: DeltaState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, DeltaState]:
        """The sequence in C where there is a compiler, else in chunks of steps, see `delta_scan`."""
        if not features.shape[1]:
            return super().scan(state, features, codes, mask)
        return scan_by_groups(self._scan_group, state, features, codes, mask)

    def trace(self, state: DeltaState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Share of every earlier value in each read, negative where it is corrected for; last, what is missing to 1.

        Reads are linear in the values: with the one-hot number of each step in place of its label, what is read is
        the shares.
        """
        batch, steps, _ = features.shape
        numbers = torch.eye(steps, dtype=features.dtype, device=features.device).expand(batch, self.heads, -1, -1)
        nothing = features.new_zeros(batch, self.heads, self.key_width, steps)
        shares, _ = self._scan(nothing, features, numbers, mask)
        return Trace(
            torch.cat([shares, 1 - shares.sum(-1, keepdim=True)], -1),
            "slot (written at this step; last: nothing found)",
        )

    def code_readout(self) -> Tensor:
        """What is read is a label code already: the mean over the heads."""
        return torch.eye(self.code_width).repeat(1, self.heads) * (NAMED / self.heads)

    def _scan_group(
        self, state: DeltaState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, DeltaState]:
        values = self._padded(codes).unsqueeze(1).expand(-1, self.heads, -1, -1)
        reads, fast_weights = self._scan(state.fast_weights, features, values, mask)
        return reads.transpose(1, 2).flatten(2), DeltaState(fast_weights)

    def _scan(self, fast_weights: Tensor, features: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The delta rule, with masked steps that write nothing and keep everything."""
        joint = self._joint(features)
        one_type = joint.dtype == values.dtype == fast_weights.dtype
        library = load_library("delta", joint.device, joint.dtype) if one_type else None
        if library is not None:
            return compiled_delta_scan(library, joint, values, mask, fast_weights)
        keys, *logits = torch.split(joint, [self.heads * self.key_width, *[self.heads] * len(self._gates())], -1)
        keys = F.normalize(keys.view(*mask.shape, self.heads, self.key_width), dim=-1).transpose(1, 2)
        present, beta = mask.unsqueeze(-1), logits[0].sigmoid()
        log_alpha = F.logsigmoid(logits[1]) if len(logits) > 1 else torch.zeros_like(beta)
        beta, log_alpha = ((gate * present).transpose(1, 2) for gate in (beta, log_alpha))
        return delta_scan(keys, values, beta, log_alpha, fast_weights, self.chunk)

    def _joint(self, features: Tensor) -> Tensor:
        """Keys, not yet of length 1, and logits of the gates, by one product."""
        if isinstance(self.key, nn.Identity):
            return torch.cat([features, *(gate(features) for gate in self._gates())], -1)
        layers = [self.key, *self._gates()]
        return F.linear(
            features, torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        )

    def _gates(self) -> list[nn.Linear]:
        return [self.write_gate] if self.keep_gate is None else [self.write_gate, self.keep_gate]

    def _padded(self, codes: Tensor) -> Tensor:
        check_code_width(codes.shape[-1], self.code_width)
        return F.pad(codes, (0, self.code_width - codes.shape[-1]))


def delta_scan(
    keys: Tensor, values: Tensor, beta: Tensor, log_alpha: Tensor, fast_weights: Tensor, chunk: int
) -> tuple[Tensor, Tensor]:
    """The delta rule over a sequence, all steps of a chunk at once [Y24, section 3; Y25, section 3.3].

    With G_t the product of a_1 to a_t, a chunk that starts from S reads

        r_t = G_{t-1} S^T k_t + sum over s < t of D_ts b_s (v_s - a_s r_s),    D_ts = (G_{t-1} / G_s) k_t . k_s

    which is one triangular system for all of its reads; the papers, whose queries are not the keys, solve the same
    system for the writes. Only what depends on S is left to the loop over the chunks.

    Args:
        keys: `batch x heads x steps x key_width`.
        values: `batch x heads x steps x value_width`.
        beta: `batch x heads x steps`; 0 writes nothing.
        log_alpha: `batch x heads x steps`; 0 keeps everything.
        fast_weights: before the first step, `batch x heads x key_width x value_width`.
        chunk: steps of a chunk.

    Returns:
        What each key finds before its own step writes, `batch x heads x steps x value_width`, and the fast weights
        after the last step.
    """
    batch, heads, steps, _ = keys.shape

    def chunked(tensor: Tensor) -> Tensor:
        """`batch * heads x chunks x chunk x width`; the steps that fill the last one write nothing, keep everything."""
        filled = F.pad(tensor, (0, 0, 0, -steps % chunk))
        return filled.reshape(batch * heads, -1, chunk, tensor.shape[-1])

    keys, values = chunked(keys), chunked(values)
    beta, log_alpha = chunked(beta.unsqueeze(-1)), chunked(log_alpha.unsqueeze(-1))

    # decay up to read t, from the start of the chunk and from each step; row `chunk` is the end of the chunk.
    # Every span is summed by itself: from the difference of two running sums a large decay would wipe a small one out
    decay = F.pad(log_alpha, (0, 0, 1, 0))
    since_start = decay.cumsum(-2).exp()
    since_step = decay.expand(-1, -1, -1, chunk).tril(-2).cumsum(-2).exp().tril(-1)

    overlap = since_step[..., :-1, :] * (keys @ keys.transpose(-2, -1))  # D
    written, replaced = beta * values, beta * log_alpha.exp()  # a step adds written - replaced * read
    to_end = since_step[..., -1, :].unsqueeze(-1)
    parts = (
        keys,
        overlap @ written,
        overlap * replaced.transpose(-2, -1),
        since_start[..., :-1, :],
        since_start[..., -1:, :],
        to_end * written,
        to_end * replaced,
    )
    now, reads = fast_weights.flatten(0, 1), []
    # unbind, because the gradient of an index is as large as the whole sequence
    for key, own, system, from_start, retained, written_end, replaced_end in zip(
        *(part.unbind(1) for part in parts), strict=True
    ):
        right_side = torch.addcmul(own, from_start, key @ now)
        read = torch.linalg.solve_triangular(system, right_side, upper=False, unitriangular=True)
        addition = torch.addcmul(written_end, replaced_end, read, value=-1)
        now = torch.baddbmm(retained * now, key.transpose(-2, -1), addition)
        reads.append(read)
    return torch.cat(reads, 1)[:, :steps].view(batch, heads, steps, -1), now.view_as(fast_weights)


def _gate(features: int, heads: int, logit: float) -> nn.Linear:
    """From features to the logit of a gate, which starts from the same for all."""
    gate = nn.Linear(features, heads)
    nn.init.zeros_(gate.weight)
    nn.init.constant_(gate.bias, logit)
    return gate
