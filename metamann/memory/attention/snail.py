"""SNAIL: causal convolutions that gather, and causal attention that finds, over all pairs so far.

    u_t = [x_t; x_{t-1}; y_{t-1}]
    u   = attention(u); convolutions(u); attention(u); convolutions(u); attention(u)

each block putting what it computes beside its input. The label comes one step late, as everywhere here.

References:
    [M18] Mishra et al., A Simple Neural Attentive Meta-Learner, ICLR 2018, section 3 and appendix (Omniglot).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.errors import check_size
from metamann.memory.controlled.controlled import check_code_width, item_projection
from metamann.memory.interface import Memory, Trace

MATCHED_SCORE = 10.0


class SnailState(NamedTuple):
    """All pairs so far: the memory of SNAIL is its own past input.

    Attributes:
        items: `batch x steps x item_width`.
        codes: `batch x steps x code_width`.
        filled: `batch x steps`, false for masked steps.
    """

    items: Tensor
    codes: Tensor
    filled: Tensor


class SnailMemory(Memory[SnailState]):
    """Keeps the pairs of an episode, and reads them by causal convolutions and attention [M18].

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it.
        item_width: features are projected to this width and normalised; None takes them as they are.
        longest: steps that the convolutions reach back over; attention reaches over all.
        filters: of every convolution; keys and values of attention go with it as in the paper.
        matched: let the first attention start by comparing the item with the earlier ones, so that an
            untrained network already recalls labels. Without it, as in the paper, the comparison must be learned.

    Raises:
        ConfigError: if a size is below 1.

    Examples:
        >>> memory, items = SnailMemory(features=3, code_width=2, longest=4, filters=4), torch.rand(1, 5, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 5, 2), mask=torch.ones(1, 5, dtype=torch.bool))
        >>> reads.shape[-1] == memory.read_width, state.items.shape
        (True, torch.Size([1, 5, 64]))
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        item_width: int | None = 64,
        longest: int = 64,
        filters: int = 128,
        matched: bool = True,
    ) -> None:
        check_size("memory.longest", longest)
        check_size("memory.filters", filters)
        super().__init__()
        self.item_width, self.code_width = item_width or features, code_width
        self.item = item_projection(features, item_width)
        width = 2 * self.item_width + code_width
        blocks: list[nn.Module] = []
        for keys, values, convolved in ((1 / 2, 1 / 4, True), (2, 1, True), (4, 2, False)):
            attention = CausalAttention(width, max(1, int(keys * filters)), max(1, int(values * filters)))
            blocks.append(attention)
            width = attention.width
            if convolved:
                convolutions = CausalConvolutions(width, longest, filters)
                blocks.append(convolutions)
                width = convolutions.width
        self.blocks = nn.ModuleList(blocks)
        first = blocks[0]
        if matched and isinstance(first, CausalAttention):
            first.start_matched(self.item_width)
        self.read_width = width

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> SnailState:
        """No pair written.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        check_code_width(code_width, self.code_width)
        return SnailState(
            like.new_zeros(batch, 0, self.item_width),
            like.new_zeros(batch, 0, self.code_width),
            torch.zeros(batch, 0, dtype=torch.bool, device=like.device),
        )

    def step(self, state: SnailState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, SnailState]:
        """Read for one item after all pairs so far, then append it with its label."""
        read = self.read(state, features.unsqueeze(1))[:, 0] * mask.unsqueeze(-1)
        return read, self.write(state, features.unsqueeze(1), codes.unsqueeze(1), mask.unsqueeze(1))

    def read(self, state: SnailState, features: Tensor) -> Tensor:
        """Each query after all pairs so far, which are processed once for all queries."""
        (context, order), count = self._sequence(state), state.filled.sum(1)
        items = self.item(features)
        last = _at(_rows(torch.cat([state.items, state.codes], -1), order), count - 1)
        queries = torch.cat([items, last.unsqueeze(1).expand(-1, items.shape[1], -1)], -1)
        for block in self.blocks:
            assert isinstance(block, CausalAttention | CausalConvolutions)
            context, queries = block.answer(context, queries, count)
        return queries

    def scan(self, state: SnailState, features: Tensor, codes: Tensor, mask: Tensor) -> tuple[Tensor, SnailState]:
        """The whole sequence in one pass; see `Memory.scan`."""
        after = self.write(state, features, codes, mask)
        hidden, order = self._sequence(after)
        for block in self.blocks:
            hidden = block(hidden)
        # masked steps read nothing
        reads = _rows(hidden, order.argsort(dim=1)) * after.filled.unsqueeze(-1)
        return reads[:, state.filled.shape[1] :], after

    def write(self, state: SnailState, features: Tensor, codes: Tensor, mask: Tensor) -> SnailState:
        """Keep labelled items; see `Memory.write`."""
        check_code_width(codes.shape[-1], self.code_width)
        items, padded = self.item(features), F.pad(codes, (0, self.code_width - codes.shape[-1]))
        pairs = zip(state, (items, padded, mask), strict=True)
        return SnailState(*(torch.cat([before, new], 1) for before, new in pairs))

    def trace(self, state: SnailState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Weights of the three attentions, a head each, over the steps."""
        hidden, order = self._sequence(self.write(state, features, codes, mask))
        back, weights = order.argsort(dim=1), []
        for block in self.blocks:
            if isinstance(block, CausalAttention):
                of_steps = _rows(block.weights(hidden), back)
                weights.append(_rows(of_steps.transpose(1, 2), back).transpose(1, 2))
            hidden = block(hidden)
        return Trace(torch.stack(weights, 1)[:, :, state.filled.shape[1] :], "step")

    def _sequence(self, state: SnailState) -> tuple[Tensor, Tensor]:
        """The sequence of filled steps, the gaps behind it, `batch x steps x width`, and the order that was taken."""
        order = (~state.filled).to(torch.uint8).argsort(dim=1, stable=True)
        items, codes = (_rows(tensor, order) for tensor in (state.items, state.codes))
        return torch.cat([items, _late(items), _late(codes)], -1), order


class CausalConvolutions(nn.Module):
    """Dense blocks of gated causal convolutions of two steps, 1, 2, 4, ... apart [M18, TCBlock].

    Args:
        inputs: width of the input.
        longest: steps to reach back over.
        filters: that each block adds to the width.

    Examples:
        >>> convolutions = CausalConvolutions(inputs=3, longest=4, filters=2)  # reaches back over 1 and 2 steps
        >>> convolutions(torch.rand(1, 5, 3)).shape
        torch.Size([1, 5, 7])
    """

    def __init__(self, inputs: int, longest: int, filters: int) -> None:
        super().__init__()
        blocks = max(1, math.ceil(math.log2(longest)))
        self.distances = [2**block for block in range(blocks)]
        widths = [inputs + block * filters for block in range(blocks)]
        self.gated = nn.ModuleList(nn.Linear(2 * width, 2 * filters) for width in widths)
        self.width = inputs + blocks * filters

    def forward(self, hidden: Tensor) -> Tensor:
        """`batch x steps x inputs` to `batch x steps x width`."""
        for distance, layer in zip(self.distances, self.gated, strict=True):
            hidden = _beside(layer, hidden, _late(hidden, distance))
        return hidden

    def answer(self, context: Tensor, queries: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """The block on a sequence, and on queries that each stand behind its first `count` steps."""
        for distance, layer in zip(self.distances, self.gated, strict=True):
            before = _at(context, count - distance).unsqueeze(1).expand(-1, queries.shape[1], -1)
            queries = _beside(layer, queries, before)
            context = _beside(layer, context, _late(context, distance))
        return context, queries


class CausalAttention(nn.Module):
    """One head of attention over all steps up to this one; what it reads goes beside its input [M18, AttentionBlock].

    Args:
        inputs: width of the input.
        keys: width of keys.
        values: width of values, that the block adds to the width.

    Examples:
        >>> attention = CausalAttention(inputs=3, keys=2, values=4)
        >>> attention(torch.rand(1, 5, 3)).shape
        torch.Size([1, 5, 7])
    """

    def __init__(self, inputs: int, keys: int, values: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.query, self.key, self.value = (nn.Linear(inputs, width) for width in (keys, keys, values))
        self.width = inputs + values

    @torch.no_grad()
    def start_matched(self, item_width: int) -> None:
        """Let the query be a projection of the item, the first part of the input, and the key the same of the second.

        Items are normalised, so that an item finds itself with a score of about `MATCHED_SCORE`. What is found is the
        label alone, the third part: among the numbers of two items it would be hard to see.
        """
        keys = self.query.out_features
        shared = torch.empty(keys, item_width)
        nn.init.orthogonal_(shared)
        shared *= math.sqrt(MATCHED_SCORE * math.sqrt(keys) / min(keys, item_width))
        for layer, start in ((self.query, 0), (self.key, item_width)):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
            layer.weight[:, start : start + item_width] = shared
        self.value.weight[:, : 2 * item_width] = 0
        nn.init.normal_(self.value.weight[:, 2 * item_width :])

    def forward(self, hidden: Tensor) -> Tensor:
        """`batch x steps x inputs` to `batch x steps x width`."""
        return torch.cat([hidden, self.weights(hidden) @ self.value(hidden)], -1)

    def answer(self, context: Tensor, queries: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """The block on a sequence, and on queries that each stand behind its first `count` steps."""
        query, own_key = self.query(queries), self.key(queries)
        missing = torch.arange(context.shape[1], device=context.device) >= count.unsqueeze(1)
        scores = (query @ self.key(context).transpose(1, 2)).masked_fill(missing.unsqueeze(1), -torch.inf)
        own = (query * own_key).sum(-1, keepdim=True)
        weights = (torch.cat([scores, own], -1) / math.sqrt(own_key.shape[-1])).softmax(-1)
        read = weights[..., :-1] @ self.value(context) + weights[..., -1:] * self.value(queries)
        return self(context), torch.cat([queries, read], -1)

    def weights(self, hidden: Tensor) -> Tensor:
        """Read weights, `batch x steps x steps`."""
        query, key = self.query(hidden), self.key(hidden)
        scores = query @ key.transpose(1, 2) / math.sqrt(key.shape[-1])
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        weights: Tensor = scores.masked_fill(later, -torch.inf).softmax(-1)
        return weights


def _beside(layer: nn.Module, now: Tensor, before: Tensor) -> Tensor:
    """What a gated convolution makes of a step and one before it, put beside the step."""
    content, gate = layer(torch.cat([now, before], -1)).chunk(2, -1)
    return torch.cat([now, content.tanh() * gate.sigmoid()], -1)


def _at(tensor: Tensor, step: Tensor) -> Tensor:
    """One step of each episode, `batch x width`; zeros before the first."""
    if not tensor.shape[1]:
        return tensor.new_zeros(len(tensor), tensor.shape[-1])
    index = step.clamp_min(0).view(-1, 1, 1).expand(-1, 1, tensor.shape[-1])
    return tensor.gather(1, index).squeeze(1) * (step >= 0).unsqueeze(-1)


def _late(tensor: Tensor, steps: int = 1) -> Tensor:
    """Each step shows what stood so many steps before, zeros at first."""
    return F.pad(tensor, (0, 0, steps, 0))[:, : tensor.shape[1]]


def _rows(tensor: Tensor, order: Tensor) -> Tensor:
    """Steps of each episode in this order."""
    return tensor.gather(1, order.unsqueeze(-1).expand(-1, -1, tensor.shape[-1]))
