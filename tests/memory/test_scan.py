"""The faster form of every memory is its chained step: reads, all gradients, final state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metamann.memory import interface
from metamann.memory.interface import Memory

FEATURES, CODE_WIDTH, BATCH = 5, 3, 3
Make = Callable[..., Memory[Any]]
Results = tuple[Tensor, tuple[Tensor, ...], list[Tensor | None]]


def draw(steps: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(BATCH, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.eye(CODE_WIDTH, dtype=torch.float64)[torch.randint(CODE_WIDTH, (BATCH, steps), generator=generator)]
    return features.requires_grad_(), codes.requires_grad_(), torch.rand(BATCH, steps, generator=generator) < 0.8


def run(memory: Memory[Any], chained: bool, before: int, steps: int) -> Results:
    """Reads, final state, and gradients of both by everything that they depend on, the state before included."""
    scan = Memory.scan if chained else type(memory).scan
    features, codes, mask = draw(steps, seed=1)
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    if before:
        state = Memory.scan(memory, state, *draw(before, seed=2))[1]
    state = type(state)(*(part.detach().requires_grad_(part.is_floating_point()) for part in state))
    reads, final = scan(memory, state, features, codes, mask)
    sources = [features, codes, *memory.parameters(), *(part for part in state if part.requires_grad)]
    generator = torch.Generator().manual_seed(3)
    outputs = [each for each in (reads, *final) if each.requires_grad]
    directions = [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in outputs]
    gradients = torch.autograd.grad(outputs, sources, directions, allow_unused=True)
    return reads.detach(), tuple(part.detach() for part in final), list(gradients)


@pytest.mark.parametrize("before", [0, 4])
@pytest.mark.parametrize("steps", [1, 7, 70])
def test_scan_is_the_chained_step(make_memory: Make, memory_kind: str, steps: int, before: int) -> None:
    memory = make_memory(memory_kind, FEATURES, CODE_WIDTH)
    if type(memory).scan is Memory.scan:
        pytest.skip("it has no faster form")
    compare(run(memory, False, before, steps), run(memory, True, before, steps))


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("kind", ["delta", "delta_gated", "ntm_input"])
@pytest.mark.parametrize("items", [1, 15])
def test_groups_of_episodes_are_the_chained_step(
    make_memory: Make, kind: str, items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "ITEMS", items)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    memory = make_memory(kind, FEATURES, CODE_WIDTH)
    compare(run(memory, False, before=4, steps=7), run(memory, True, before=4, steps=7))


def compare(results: Results, expected_results: Results) -> None:
    """Equal but for rounding, an absent gradient being one of zeros."""
    reads, final, gradients = results
    expected_reads, expected_final, expected_gradients = expected_results
    torch.testing.assert_close(reads, expected_reads, rtol=0, atol=1e-10)
    for part, expected in zip(final, expected_final, strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=1e-10)
    for gradient, expected in zip(gradients, expected_gradients, strict=True):
        for one, other in ((gradient, expected), (expected, gradient)):
            if one is None:
                assert other is None or not other.any()
        if gradient is not None and expected is not None:
            torch.testing.assert_close(gradient, expected, rtol=1e-7, atol=1e-9)
