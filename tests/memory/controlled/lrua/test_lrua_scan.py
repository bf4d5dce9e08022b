"""The loop with its gradient by hand: gradcheck, chunks; test_lrua.py compares all dialects with the chained step."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from contract import (
    CODE_WIDTH,
    FEATURES,
    Make,
    assert_scan_is_the_chained_step,
    differentiate,
    labelled_sequence,
    random_mask,
)
from dialects import Options
from torch import Tensor

from metamann.memory.controlled.lrua import scan as lrua_scan
from metamann.memory.controlled.lrua.lrua import LRUAMemory, LRUAState
from metamann.memory.interface import Memory

DIALECTS: list[Options] = [{}, {"written": "key", "shortcut": False, "address_on": "before"}]
NUMERICAL: list[Options] = [
    {},
    {"zeroed": "one"},
    {"least_used": "shared", "zeroed": "one"},
    {"cosine_epsilon": "added"},
    {"cosine_epsilon": "added", "address_on": "before"},
]


def draw(steps: int, seed: int) -> tuple[Tensor, Tensor]:
    features, codes, _ = labelled_sequence(steps, batch=3, seed=seed)
    return features.requires_grad_(), codes.requires_grad_()


def state_in_use(memory: LRUAMemory, mask: Tensor) -> LRUAState:
    state = memory.initial_state(3, CODE_WIDTH, mask.double())
    with torch.no_grad():
        state = Memory.scan(memory, state, *draw(4, seed=2), mask)[1]
    # of slots that were used alike, rounding decides which was used least, and processors round differently
    unlike = torch.rand(state.usage.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return state._replace(usage=state.usage + unlike)


def test_chunks_of_any_length_give_the_same_results(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, mask = make_memory("lrua"), random_mask(3, 11, 0.7, seed=4)
    sequence = (memory, state_in_use(memory, mask[:, :4]), *draw(11, seed=1), mask)
    expected = differentiate(LRUAMemory.scan, *sequence)
    for chunk in (1, 4, 11):
        monkeypatch.setattr(lrua_scan, "CHUNK", chunk)
        results = differentiate(LRUAMemory.scan, *sequence)
        for tensor, other in zip(itertools.chain(*results), itertools.chain(*expected), strict=True):
            torch.testing.assert_close(tensor, other, rtol=0, atol=1e-13)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(("slots", "width", "heads"), [(3, 1, 1), (37, 9, 3), (64, 8, 4)])
@pytest.mark.parametrize("options", DIALECTS, ids=["added", "key_before"])
def test_scan_of_sizes_that_fill_no_register_and_some_equals_the_chained_step(
    make_memory: Make, options: Options, slots: int, width: int, heads: int
) -> None:
    memory = make_memory("lrua", slots=slots, width=width, heads=heads, **options)
    mask, within = random_mask(3, 9, 0.7, seed=4), (1e-9, 1e-11)
    state = state_in_use(memory, mask[:, :4])
    assert_scan_is_the_chained_step(memory, state, *draw(9, seed=1), mask, within, within)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("options", NUMERICAL, ids=lambda options: "-".join(options.values()) or "default")
def test_single_precision_is_near_the_chained_step_of_double(make_memory: Make, options: Options) -> None:
    """From a fresh memory, whose rows are empty, over as many steps as are taken back from one memory."""
    memory = make_memory("lrua", slots=20, **options)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.copy_(parameter.float())

    def gradients(dtype: torch.dtype, scan: Callable[..., Any]) -> Tensor:
        features, codes = (tensor.detach().float().to(dtype) for tensor in draw(lrua_scan.CHUNK, seed=1))
        memory.to(dtype)
        outputs, _ = scan(memory, memory.initial_state(3, CODE_WIDTH, features), features, codes, _all(len(codes[0])))
        by_parameters = torch.autograd.grad(outputs.square().sum(), list(memory.parameters()), materialize_grads=True)
        return torch.cat([gradient.flatten().double() for gradient in by_parameters])

    expected = gradients(torch.float64, Memory.scan)
    assert (gradients(torch.float32, LRUAMemory.scan) - expected).norm() <= 1e-4 * expected.norm()


@pytest.mark.usefixtures("core")
def test_a_retained_graph_gives_the_same_gradients_again(make_memory: Make) -> None:
    memory = make_memory("lrua")
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
def test_empty_batches_and_sequences_give_empty_reads(make_memory: Make, batch: int, steps: int) -> None:
    memory = make_memory("lrua")
    features = torch.zeros(batch, steps, FEATURES, dtype=torch.float64, requires_grad=True)
    codes, mask = torch.zeros(batch, steps, CODE_WIDTH).double(), torch.ones(batch, steps, dtype=torch.bool)
    outputs, final = memory.scan(memory.initial_state(batch, CODE_WIDTH, features), features, codes, mask)
    assert outputs.shape == (batch, steps, memory.read_width)
    (outputs.sum() + final.memory.sum()).backward()


@pytest.mark.parametrize("options", DIALECTS, ids=["added", "key_before"])
def test_gradients_of_three_steps_from_a_state_in_use(make_memory: Make, options: Options) -> None:
    memory = make_memory("lrua", **options)
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
    memory = make_memory("lrua", shortcut=False)
    with torch.no_grad():
        for layer in memory.interface.values():
            layer.weight.zero_()
            layer.bias.zero_()
    features, codes = draw(5, seed=1)
    outputs, _ = memory.scan(memory.initial_state(3, CODE_WIDTH, features), features, codes, _all(5))
    gradients = torch.autograd.grad(outputs.sum(), [features, *memory.parameters()], materialize_grads=True)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_scan_does_not_write_to_its_initial_state(make_memory: Make) -> None:
    memory = make_memory("lrua")
    state = memory.initial_state(3, CODE_WIDTH, draw(1, seed=1)[0])
    _, state = memory.scan(state, *draw(4, seed=2), _all(4))
    copies = [part.detach().clone() for part in state]
    outputs, _ = memory.scan(state, *draw(5, seed=3), _all(5))
    outputs.sum().backward()
    assert all(torch.equal(part, before) for part, before in zip(state, copies, strict=True))


def _all(steps: int) -> Tensor:
    return torch.ones(3, steps, dtype=torch.bool)
