"""Controller steps with gradients by hand: the cells of PyTorch, and gradcheck."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metamann.memory.controlled.cells import backward_step, forward_step, packed

KNOWN, REST, HIDDEN, BATCH = 3, 2, 4, 3


def make_cell(kind: str) -> nn.Module:
    torch.manual_seed(0)
    layer = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "feedforward": nn.Linear}[kind]
    return layer(KNOWN + REST, HIDDEN, dtype=torch.float64)


def expected_step(cell: nn.Module, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(cell, nn.LSTMCell):
        h, c = cell(x, (h, c))
        return h, c
    return (cell(x, h) if isinstance(cell, nn.GRUCell) else cell(x).tanh()), c


class Packed(torch.autograd.Function):
    """One step by `cells.py`, from weights as `packed` gives them."""

    @staticmethod
    def forward(ctx: Any, cell: nn.Module, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        x, h, c, known, bias, recurrent = tensors
        z = x[:, :KNOWN] @ known.T + bias + torch.cat([h, x[:, KNOWN:]], 1) @ recurrent
        next_h = torch.empty_like(h)
        next_c, kept = forward_step(cell, z, h, c, next_h)
        ctx.cell, ctx.saved = cell, (z, x, h, c, kept, known, recurrent)
        return next_h, next_c.clone()

    @staticmethod
    def backward(ctx: Any, by_h: Tensor, by_c: Tensor) -> tuple[Tensor | None, ...]:
        z, x, h, c, kept, known, recurrent = ctx.saved
        by_z = torch.full_like(z, float("nan"))
        directly, by_c = backward_step(ctx.cell, z, h, c, kept, by_h, by_c, by_z)
        by_start = by_z @ recurrent.T
        by_x = torch.cat([by_z @ known, by_start[:, HIDDEN:]], 1)
        by_h = by_start[:, :HIDDEN] + (0 if directly is None else directly)
        by_recurrent = torch.cat([h, x[:, KNOWN:]], 1).T @ by_z
        return None, by_x, by_h, by_c, by_z.T @ x[:, :KNOWN], by_z.sum(0), by_recurrent


@pytest.mark.parametrize("kind", ["lstm", "gru", "feedforward"])
def test_step_and_all_gradients_are_those_of_the_cell(kind: str) -> None:
    cell = make_cell(kind)
    generator = torch.Generator().manual_seed(1)
    sizes = (KNOWN + REST, HIDDEN, HIDDEN)
    x, h, c = (torch.randn(BATCH, size, generator=generator, dtype=torch.float64, requires_grad=True) for size in sizes)
    results = []
    for found in (Packed.apply(cell, x, h, c, *packed(cell, REST)), expected_step(cell, x, h, c)):
        generator = torch.Generator().manual_seed(2)
        directions = [torch.randn(BATCH, HIDDEN, generator=generator, dtype=torch.float64) for _ in found]
        sources = [x, h, c, *cell.parameters()]
        gradients = torch.autograd.grad(found, sources, directions, materialize_grads=True)
        results.append([*found, *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
