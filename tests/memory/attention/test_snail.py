"""SNAIL: its blocks against what they are written as in the paper, its sequences with and without gaps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.memory.attention.snail import CausalAttention, CausalConvolutions, SnailMemory


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


def test_convolutions_are_the_gated_dilated_ones_of_the_paper() -> None:
    torch.manual_seed(0)
    block = CausalConvolutions(inputs=3, longest=7, filters=2).double()
    hidden = randn(2, 9, 3)
    assert block.distances == [1, 2, 4]
    expected = hidden.transpose(1, 2)
    for distance, layer in zip(block.distances, block.gated, strict=True):
        now, before = layer.weight.chunk(2, 1)
        kernel = torch.stack([before, now], -1)
        padded = F.pad(expected, (distance, 0))
        content, gate = F.conv1d(padded, kernel, layer.bias, dilation=distance).chunk(2, 1)
        expected = torch.cat([expected, torch.tanh(content) * torch.sigmoid(gate)], 1)
    assert block.width == expected.shape[1] == 3 + 3 * 2
    assert torch.allclose(block(hidden), expected.transpose(1, 2), atol=1e-12)


def test_attention_is_causal_and_scaled() -> None:
    torch.manual_seed(0)
    block = CausalAttention(inputs=3, keys=4, values=2).double()
    hidden = randn(2, 6, 3)
    found = F.scaled_dot_product_attention(block.query(hidden), block.key(hidden), block.value(hidden), is_causal=True)
    assert torch.allclose(block(hidden), torch.cat([hidden, found], -1), atol=1e-12)


def test_masked_steps_are_as_if_they_were_not_there() -> None:
    torch.manual_seed(0)
    memory = SnailMemory(5, 3, item_width=4, longest=6, filters=4).double()
    features, codes = randn(2, 8, 5), randn(2, 8, 3)
    mask = torch.tensor([[1, 1, 0, 1, 0, 0, 1, 1], [0, 1, 1, 0, 1, 1, 1, 0]]).bool()
    reads, _ = memory.scan(memory.initial_state(2, 3, features), features, codes, mask)
    for row in range(2):
        kept = [tensor[row : row + 1, mask[row]] for tensor in (features, codes, mask)]
        alone, _ = memory.scan(memory.initial_state(1, 3, features), *kept)
        assert torch.allclose(reads[row, mask[row]], alone[0], atol=1e-12)


def test_the_trace_has_the_three_attentions_over_all_steps() -> None:
    memory = SnailMemory(5, 3, item_width=4, longest=6, filters=4).double()
    features, codes = randn(2, 8, 5), randn(2, 8, 3)
    mask = torch.ones(2, 8, dtype=torch.bool)
    weights = memory.trace(memory.initial_state(2, 3, features), features, codes, mask).read_weights
    assert weights.shape == (2, 3, 8, 8)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 3, 8, dtype=torch.float64))
    assert not weights.triu(1).any()


def test_a_fresh_network_finds_what_it_was_told() -> None:
    torch.manual_seed(0)
    memory = SnailMemory(16, 3, item_width=16, longest=6, filters=32)
    features, codes = torch.randn(1, 6, 16), torch.eye(3).repeat(2, 1).unsqueeze(0)
    features[0, 5] = features[0, 2]  # told with its label at step 3
    weights = memory.trace(memory.initial_state(1, 3, features), features, codes, torch.ones(1, 6, dtype=torch.bool))
    first = weights.read_weights[0, 0]
    assert first[5].argmax() == 3
    assert first[5, 3] > 0.9
    bare = SnailMemory(16, 3, item_width=16, longest=6, filters=32, matched=False)
    plain = bare.trace(bare.initial_state(1, 3, features), features, codes, torch.ones(1, 6, dtype=torch.bool))
    assert plain.read_weights[0, 0, 5, 3] < 0.5
