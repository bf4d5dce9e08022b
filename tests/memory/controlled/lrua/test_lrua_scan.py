"""The loop with its gradient by hand: gradcheck, chunks; test_lrua.py holds it to the chained step in every dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metamann.memory.controlled.lrua import scan as lrua_scan
from metamann.memory.controlled.lrua.lrua import LRUAMemory
from metamann.memory.interface import Memory

Make = Callable[..., LRUAMemory]
FEATURES, CODE_WIDTH = 5, 3
DIALECTS: list[dict[str, Any]] = [{}, {"written": "key", "shortcut": False, "address_on": "before"}]
NUMERICAL: list[dict[str, Any]] = [
    {},
    {"zeroed": "one"},
    {"least_used": "shared", "zeroed": "one"},
    {"cosine_epsilon": "added"},
    {"cosine_epsilon": "added", "address_on": "before"},
]


def draw(steps: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(3, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.eye(CODE_WIDTH, dtype=torch.float64)[torch.randint(CODE_WIDTH, (3, steps), generator=generator)]
    return features.requires_grad_(), codes.requires_grad_()


def results(memory: LRUAMemory, scan: Callable[..., Any], steps: int, mask: Tensor) -> list[Tensor]:
    """Outputs, final state, and gradients of both by everything that they depend on, from a state in use."""
    features, codes = draw(steps, seed=1)
    with torch.no_grad():
        before = Memory.scan(memory, memory.initial_state(3, CODE_WIDTH, features), *draw(4, seed=2), mask[:, :4])[1]
        # of slots that were used alike, rounding decides which was used least, and processors round differently
        unlike = torch.rand(before.usage.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        before = before._replace(usage=before.usage + unlike)
    state = type(before)(*(part.clone().requires_grad_() for part in before))
    outputs, final = scan(memory, state, features, codes, mask)
    generator = torch.Generator().manual_seed(3)
    found = [outputs, *final]
    directions = [torch.randn(each.shape, generator=generator, dtype=torch.float64) for each in found]
    sources = [features, codes, *memory.parameters(), *state]
    return [*found, *torch.autograd.grad(found, sources, directions, materialize_grads=True)]


def test_chunks_change_nothing(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH)
    mask = torch.rand(3, 11, generator=torch.Generator().manual_seed(4)) < 0.7
    expected = results(memory, LRUAMemory.scan, 11, mask)
    for chunk in (1, 4, 11):
        monkeypatch.setattr(lrua_scan, "CHUNK", chunk)
        for one, other in zip(results(memory, LRUAMemory.scan, 11, mask), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(("slots", "width", "heads"), [(3, 1, 1), (37, 9, 3), (64, 8, 4)])
@pytest.mark.parametrize("dialect", DIALECTS, ids=["added", "key_before"])
def test_sizes_that_fill_no_register_and_some_are_the_chained_step(
    make_memory: Make, dialect: dict[str, Any], slots: int, width: int, heads: int
) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, slots=slots, width=width, heads=heads, **dialect)
    mask = torch.rand(3, 9, generator=torch.Generator().manual_seed(4)) < 0.7
    expected = results(memory, Memory.scan, 9, mask)
    for one, other in zip(results(memory, LRUAMemory.scan, 9, mask), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("dialect", NUMERICAL, ids=lambda options: "-".join(options.values()) or "default")
def test_single_precision_is_near_the_chained_step_of_double(make_memory: Make, dialect: dict[str, Any]) -> None:
    """From a fresh memory, whose rows are empty, over as many steps as are taken back from one memory."""
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, slots=20, **dialect)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.copy_(parameter.float())

    def gradients(dtype: torch.dtype, scan: Callable[..., Any]) -> Tensor:
        features, codes = (each.detach().float().to(dtype) for each in draw(lrua_scan.CHUNK, seed=1))
        memory.to(dtype)
        outputs, _ = scan(memory, memory.initial_state(3, CODE_WIDTH, features), features, codes, _all(len(codes[0])))
        found = torch.autograd.grad(outputs.square().sum(), list(memory.parameters()), materialize_grads=True)
        return torch.cat([each.flatten().double() for each in found])

    expected = gradients(torch.float64, Memory.scan)
    assert (gradients(torch.float32, LRUAMemory.scan) - expected).norm() <= 1e-4 * expected.norm()


@pytest.mark.usefixtures("core")
def test_a_graph_that_is_kept_gives_the_same_gradients_again(make_memory: Make) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH)
    features, codes = draw(5, seed=1)
    mask = torch.rand(3, 5, generator=torch.Generator().manual_seed(4)) < 0.7
    outputs, _ = memory.scan(memory.initial_state(3, CODE_WIDTH, features), features, codes, mask)
    sources = [features, *memory.parameters()]
    once, again = (
        torch.autograd.grad(outputs.square().sum(), sources, retain_graph=True, materialize_grads=True) for _ in "12"
    )
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(("batch", "steps"), [(0, 3), (3, 0)])
def test_nothing_gives_nothing(make_memory: Make, batch: int, steps: int) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH)
    features = torch.zeros(batch, steps, FEATURES, dtype=torch.float64, requires_grad=True)
    codes, mask = torch.zeros(batch, steps, CODE_WIDTH).double(), torch.ones(batch, steps, dtype=torch.bool)
    outputs, final = memory.scan(memory.initial_state(batch, CODE_WIDTH, features), features, codes, mask)
    assert outputs.shape == (batch, steps, memory.read_width)
    (outputs.sum() + final.memory.sum()).backward()


@pytest.mark.parametrize("dialect", DIALECTS, ids=["added", "key_before"])
def test_three_steps_pass_gradcheck(make_memory: Make, dialect: dict[str, Any]) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, **dialect)
    features, codes = draw(3, seed=1)
    with torch.no_grad():
        before = Memory.scan(memory, memory.initial_state(3, CODE_WIDTH, features), *draw(4, seed=2), _all(4))[1]

    def run(features: Tensor, rows: Tensor, read_weights: Tensor, read: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        state = before._replace(memory=rows, read_weights=read_weights, read=read, hidden=hidden)
        outputs, final = memory.scan(state, features, codes.detach(), _all(3))
        return outputs, final.memory, final.cell

    parts = (before.memory, before.read_weights, before.read, before.hidden)
    assert torch.autograd.gradcheck(run, (features, *(part.clone().requires_grad_() for part in parts)))


def test_rows_and_keys_of_zeros_have_finite_gradients(make_memory: Make) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH, shortcut=False)
    with torch.no_grad():
        for layer in memory.interface.values():
            layer.weight.zero_()
            layer.bias.zero_()
    features, codes = draw(5, seed=1)
    outputs, _ = memory.scan(memory.initial_state(3, CODE_WIDTH, features), features, codes, _all(5))
    gradients = torch.autograd.grad(outputs.sum(), [features, *memory.parameters()], materialize_grads=True)
    assert all(torch.isfinite(each).all() for each in gradients)


def test_a_state_handed_out_is_not_written_to(make_memory: Make) -> None:
    memory = make_memory("lrua", FEATURES, CODE_WIDTH)
    state = memory.initial_state(3, CODE_WIDTH, draw(1, seed=1)[0])
    _, state = memory.scan(state, *draw(4, seed=2), _all(4))
    kept = [part.detach().clone() for part in state]
    outputs, _ = memory.scan(state, *draw(5, seed=3), _all(5))
    outputs.sum().backward()
    assert all(torch.equal(part, before) for part, before in zip(state, kept, strict=True))


def _all(steps: int) -> Tensor:
    return torch.ones(3, steps, dtype=torch.bool)
