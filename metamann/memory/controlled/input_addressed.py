"""A Neural Turing Machine whose heads look at the input alone, so that an episode needs no step-by-step loop.

    w_t   = softmax(s cos(W_w x_{t-1}, A))          write head; the pair comes one step late, as its label does
    e_t   = sigmoid(W_e [x_{t-1}; y_{t-1}] + b)
    a_t   = tanh(W_a x_{t-1} + W_y y_{t-1})
    M_t   = M_{t-1} * (1 - w_t e_t^T) + w_t a_t^T   [G14, eq. 3-4]
    w^r_t = softmax(s cos(W_r x_t, A))              each read head
    r_t   = w^r_t M_t                               [G14, eq. 2]

A slot is found by its address, a row of A, in place of its content, as in the sparse distributed memory of [K88]: items
that are alike write to and read from the same slots. Only M_t needs M_{t-1}: `scan` computes all else for all steps at
once, and the rest is `scan_erase_and_add`. Addresses are learned in meta-training and alike for all episodes.

References:
    [G14] Graves, Wayne and Danihelka, Neural Turing Machines, 2014, arXiv:1410.5401.
    [K88] Kanerva, Sparse Distributed Memory, 1988.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from metamann.errors import check_number, check_size
from metamann.memory.controlled.controlled import check_code_width, delayed, item_projection
from metamann.memory.controlled.erase_add import erase_and_add, scan_erase_and_add
from metamann.memory.controlled.options import RowOptions, filled
from metamann.memory.interface import Memory, Trace, keep, scan_by_groups
from metamann.memory.scores import EPSILON


class InputAddressedState(NamedTuple):
    """What one episode has written.

    Attributes:
        memory: `batch x slots x width`.
        previous_item: `batch x item_width`, the last item, which the next step writes.
        previous_code: `batch x code_width`, its label.
    """

    memory: Tensor
    previous_item: Tensor
    previous_code: Tensor


class InputAddressedNTM(Memory[InputAddressedState]):
    """One write head and several read heads, steered by the input; an episode starts from a memory of zeros.

    An untrained network already recalls the labels of the support: read keys start as the write key, written vectors as
    the projected label alone, and a write replaces the old content.

    Args:
        features: width of the features.
        code_width: width of the label codes; one-hot codes of fewer classes are padded to it.
        item_width: features are projected to this width and normalised; None takes them as they are.
        heads: read heads.
        strength: sharpness of the softmax over addresses at the start of training; learned for each head.
        options: see `RowOptions`; an address is as wide as a row.

    Raises:
        ConfigError: for sizes below 1, or a strength that is not above 0.

    Examples:
        >>> memory, items = InputAddressedNTM(features=3, code_width=2, slots=4, width=8), torch.rand(1, 5, 3)
        >>> state = memory.initial_state(batch=1, code_width=2, like=items)
        >>> reads, state = memory.scan(state, items, codes=torch.ones(1, 5, 2), mask=torch.ones(1, 5, dtype=torch.bool))
        >>> reads.shape, state.memory.shape
        (torch.Size([1, 5, 8]), torch.Size([1, 4, 8]))
    """

    def __init__(
        self,
        features: int,
        code_width: int,
        item_width: int | None = 128,
        heads: int = 1,
        strength: float = 20.0,
        **options: Unpack[RowOptions],
    ) -> None:
        super().__init__()
        filled_in = filled(RowOptions, options)
        slots, width = filled_in["slots"], filled_in["width"]
        check_size("memory.heads", heads)
        check_number("memory.strength", strength, least=0, above=True)
        self.item_width, self.code_width = item_width or features, code_width
        self.slots, self.width, self.heads = slots, width, heads
        self.item = item_projection(features, item_width)
        # without biases: before the first pair, nothing is added
        self.write_key = nn.Linear(self.item_width, width, bias=False)
        self.read_key = nn.Linear(self.item_width, heads * width, bias=False)
        self.erase = nn.Linear(self.item_width + code_width, width)
        self.add_item = nn.Linear(self.item_width, width, bias=False)
        self.add_code = nn.Linear(code_width, width, bias=False)
        self.addresses = nn.Parameter(torch.randn(slots, width))
        self.log_strength = nn.Parameter(torch.full((1 + heads,), math.log(strength)))  # the write head's comes first
        self.read_width = heads * width
        self.read_key.weight.data.copy_(self.write_key.weight.data.repeat(heads, 1))
        nn.init.zeros_(self.add_item.weight)
        nn.init.normal_(self.add_code.weight)
        nn.init.constant_(self.erase.bias, 3.0)

    @property
    def capacity(self) -> int:
        """Its slots."""
        return self.slots

    def initial_state(self, batch: int, code_width: int, like: Tensor) -> InputAddressedState:
        """Nothing written, no item before the first.

        Raises:
            ConfigError: if the codes are wider than the memory was built for.
        """
        check_code_width(code_width, self.code_width)
        return InputAddressedState(
            like.new_zeros(batch, self.slots, self.width),
            like.new_zeros(batch, self.item_width),
            like.new_zeros(batch, self.code_width),
        )

    def step(
        self, state: InputAddressedState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, InputAddressedState]:
        """Write the previous pair, then read; the item and its label are stored for the next step."""
        item, code = self.item(features), self._padded(codes)
        memory = self._write(state, mask)
        read = (self._read_weights(item) @ memory).flatten(1)
        return read, keep(mask, InputAddressedState(memory, item, code), state)

    def scan(
        self, state: InputAddressedState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, InputAddressedState]:
        """The whole sequence: all scores and vectors at once, then the recurrence of the memory."""
        return scan_by_groups(self._scan_group, state, features, codes, mask)

    def read(self, state: InputAddressedState, features: Tensor) -> Tensor:
        """Reads of queries; the previous pair is written first, as in the next step."""
        memory = self._write(state, torch.ones(len(features), dtype=torch.bool, device=features.device))
        weights = self._read_weights(self.item(features))
        return (weights.flatten(1, 2) @ memory).view(*features.shape[:2], self.read_width)

    def trace(self, state: InputAddressedState, features: Tensor, codes: Tensor, mask: Tensor) -> Trace:
        """Read weights of every head over the slots, and write weights."""
        items = self.item(features)
        previous_items, _ = delayed(state.previous_item, items, mask)
        previous_codes, _ = delayed(state.previous_code, self._padded(codes), mask)
        writes, _, _ = self._writing(previous_items, previous_codes, mask)
        return Trace(self._read_weights(items).transpose(1, 2), "slot", writes.unsqueeze(1))

    def code_readout(self) -> Tensor:
        """Transposed projection of label codes into rows, mean of the heads, which decodes what is read."""
        return self.add_code.weight.detach().T.repeat(1, self.heads) / self.heads

    def _scan_group(
        self, state: InputAddressedState, features: Tensor, codes: Tensor, mask: Tensor
    ) -> tuple[Tensor, InputAddressedState]:
        items, codes = self.item(features), self._padded(codes)
        _, previous_item = delayed(state.previous_item, items, mask)
        previous_codes, previous_code = delayed(state.previous_code, codes, mask)
        # a pair is written one step late: all items are projected by one product, and shifted only then
        pair_weight = torch.cat([self.write_key.weight, self.erase.weight[:, : self.item_width], self.add_item.weight])
        projected = F.linear(items, torch.cat([pair_weight, self.read_key.weight]))
        of_items, read_keys = torch.split(projected, [len(pair_weight), self.read_width], -1)
        keys, erase, add = delayed(F.linear(state.previous_item, pair_weight), of_items, mask)[0].chunk(3, -1)
        erase = erase + F.linear(previous_codes, self.erase.weight[:, self.item_width :], self.erase.bias)
        writing = self._heads(keys, erase, add + self.add_code(previous_codes))
        reads, memory = scan_erase_and_add(state.memory, *writing, self._read_scores(read_keys), mask)
        return reads.flatten(2), InputAddressedState(memory, previous_item, previous_code)

    def _write(self, state: InputAddressedState, mask: Tensor) -> Tensor:
        """The memory with the previous pair."""
        weights, erase, add = self._writing(state.previous_item, state.previous_code, mask)
        return erase_and_add(state.memory, weights.unsqueeze(1), erase.unsqueeze(1), add.unsqueeze(1))

    def _writing(self, previous_item: Tensor, previous_code: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, zero where masked, erase and add vector; of pairs `... x item_width` and `... x code_width`."""
        logits = self.erase(torch.cat([previous_item, previous_code], -1))
        vector = self.add_item(previous_item) + self.add_code(previous_code)
        scores, erase, add = self._heads(self.write_key(previous_item), logits, vector)
        return scores.softmax(-1) * mask.unsqueeze(-1), erase, add

    def _heads(self, keys: Tensor, erase: Tensor, add: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores, erase and add vector of the write head, by what its layers give, `... x width` each."""
        return self._scores(keys.unsqueeze(-2), self.log_strength[:1]).squeeze(-2), erase.sigmoid(), add.tanh()

    def _read_weights(self, items: Tensor) -> Tensor:
        """`... x item_width` to `... x heads x slots`."""
        return self._read_scores(self.read_key(items)).softmax(-1)

    def _read_scores(self, keys: Tensor) -> Tensor:
        """`... x heads * width` to `... x heads x slots`."""
        return self._scores(keys.view(*keys.shape[:-1], self.heads, self.width), self.log_strength[1:])

    def _scores(self, keys: Tensor, log_strength: Tensor) -> Tensor:
        """Keys `... x heads x width` to their sharpened cosines with the addresses, `... x heads x slots`."""
        return log_strength.exp().unsqueeze(-1) * unit(keys) @ unit(self.addresses).T

    def _padded(self, codes: Tensor) -> Tensor:
        check_code_width(codes.shape[-1], self.code_width)
        return F.pad(codes, (0, self.code_width - codes.shape[-1]))


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1; a vector of zeros stays, with a finite gradient."""
    return vectors * torch.rsqrt(vectors.square().sum(-1, keepdim=True) + EPSILON)
