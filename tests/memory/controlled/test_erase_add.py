"""Erase and add against loops over plain NumPy arrays; the scan against the chained step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from metamann.memory.controlled.erase_add import CHUNK, erase_and_add, scan_erase_and_add
from metamann.memory.native.erase_add import erase_add as erase_add_compiled

BATCH, SLOTS, WIDTH, HEADS = 2, 4, 3, 2
CHUNKS = (CHUNK, erase_add_compiled.CHUNK)


def plan(
    steps: int, dtype: torch.dtype = torch.float64, slots: int = SLOTS, width: int = WIDTH, heads: int = HEADS
) -> list[Tensor]:
    """Memory, scores, erase and add vectors, read scores."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(BATCH, *shape, generator=generator, dtype=dtype)

    return [
        draw(slots, width),
        draw(steps, slots),
        draw(steps, width).sigmoid(),
        draw(steps, width).tanh(),
        draw(steps, heads, slots),
    ]


def everywhere(steps: int) -> Tensor:
    return torch.ones(BATCH, steps, dtype=torch.bool)


def scan(memory: Tensor, scores: Tensor, erase: Tensor, add: Tensor, read_scores: Tensor) -> tuple[Tensor, Tensor]:
    return scan_erase_and_add(memory, scores, erase, add, read_scores, everywhere(scores.shape[1]))


def with_gradients(inputs: list[Tensor]) -> list[Tensor]:
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    results = scan(*inputs)
    directions = [torch.linspace(-1, 1, each.numel(), dtype=each.dtype).view_as(each) for each in results]
    return [*results, *torch.autograd.grad(results, inputs, directions)]


def chained(memory: Tensor, scores: Tensor, erase: Tensor, add: Tensor, read_scores: Tensor) -> tuple[Tensor, Tensor]:
    weights, reads = scores.softmax(-1), []
    for t in range(weights.shape[1]):
        memory = erase_and_add(memory, weights[:, t : t + 1], erase[:, t : t + 1], add[:, t : t + 1])
        reads.append(read_scores[:, t].softmax(-1) @ memory)
    return torch.stack(reads, 1), memory


def test_all_heads_erase_then_all_add() -> None:
    memory, scores, erase, add, _ = plan(3)
    weights = scores.softmax(-1)
    expected = memory.numpy().copy()
    for b, slot, column in itertools.product(range(BATCH), range(SLOTS), range(WIDTH)):
        for head in range(3):
            expected[b, slot, column] *= 1 - float(weights[b, head, slot]) * float(erase[b, head, column])
        for head in range(3):
            expected[b, slot, column] += float(weights[b, head, slot]) * float(add[b, head, column])
    np.testing.assert_allclose(erase_and_add(memory, weights, erase, add), expected, rtol=0, atol=1e-14)


def test_order_of_write_heads_does_not_matter() -> None:
    memory, scores, erase, add, _ = plan(3)
    weights = scores.softmax(-1)
    order = [2, 0, 1]
    one, other = (erase_and_add(memory, *(part[:, o] for part in (weights, erase, add))) for o in ([0, 1, 2], order))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def test_a_focused_head_replaces_its_row_and_no_other() -> None:
    memory, _, _, add, _ = plan(1)
    weights = torch.eye(SLOTS, dtype=torch.float64)[2].expand(BATCH, 1, SLOTS)
    after = erase_and_add(memory, weights, torch.ones_like(add), add)
    assert torch.equal(after[:, 2], add[:, 0])
    assert torch.equal(after[:, [0, 1, 3]], memory[:, [0, 1, 3]])


@pytest.mark.usefixtures("core")
def test_no_weight_leaves_the_memory_bitwise() -> None:
    memory, scores, erase, add, read_scores = plan(CHUNK + 1)
    assert torch.equal(erase_and_add(memory, torch.zeros_like(scores), erase, add), memory)
    nowhere = ~everywhere(CHUNK + 1)
    assert torch.equal(scan_erase_and_add(memory, scores, erase, add, read_scores, nowhere)[1], memory)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(("slots", "width", "heads"), [(SLOTS, WIDTH, HEADS), (37, 20, 1), (5, 16, 3)])
@pytest.mark.parametrize("steps", [1, *(chunk + more for chunk in CHUNKS for more in (-1, 0, 1, 2 * chunk + 2))])
def test_scan_is_the_chained_step(steps: int, slots: int, width: int, heads: int) -> None:
    inputs = [tensor.requires_grad_() for tensor in plan(steps, slots=slots, width=width, heads=heads)]
    generator = torch.Generator().manual_seed(2)
    results = []
    for run in (scan, chained):
        reads, memory = run(*inputs)
        directions = [
            torch.randn(each.shape, generator=generator.manual_seed(2), dtype=each.dtype) for each in (reads, memory)
        ]
        results.append([reads, memory, *torch.autograd.grad((reads, memory), inputs, directions)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("sharpness", [1.0, 1000.0])
def test_single_precision_is_near_double(sharpness: float) -> None:
    memory, scores, erase, add, read_scores = plan(50, slots=37, width=20)
    inputs = [memory, sharpness * scores, erase, add, sharpness * read_scores]
    single = [tensor.float() for tensor in inputs]
    double = [tensor.double() for tensor in single]
    found, expected = (with_gradients(inputs) for inputs in (single, double))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("threads")
def test_threads_change_no_bit_in_c_and_nothing_but_rounding_in_pytorch(core: str) -> None:
    inputs = plan(50, torch.float32, slots=37, width=20)
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(with_gradients(inputs))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0 if core == "compiled" else 1e-5)


@pytest.mark.usefixtures("core")
def test_scan_of_no_steps_changes_nothing() -> None:
    memory, *parts = plan(0)
    reads, after = scan(memory.requires_grad_(), *parts)
    assert reads.shape == (BATCH, 0, HEADS, WIDTH)
    assert torch.equal(after, memory)
    (gradient,) = torch.autograd.grad(after.sum(), memory)
    assert torch.equal(gradient, torch.ones_like(memory))


@pytest.mark.usefixtures("core")
def test_scan_has_the_gradient_of_its_value() -> None:
    assert torch.autograd.gradcheck(scan, [tensor.requires_grad_() for tensor in plan(CHUNK + 2)])


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("only", ["reads", "memory"])
def test_scan_has_gradients_where_only_one_result_is_used(only: str) -> None:
    inputs = [tensor.requires_grad_() for tensor in plan(CHUNK + 2)]
    gradients = []
    for run in (scan, chained):
        used = run(*inputs)[("reads", "memory").index(only)]
        gradients.append(torch.autograd.grad(used.square().sum(), inputs, allow_unused=True, materialize_grads=True))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("core")
def test_a_head_that_is_certain_replaces_its_slot_and_no_other() -> None:
    memory, scores, erase, add, read_scores = plan(1000, torch.float32)
    certain = 1000 * torch.eye(SLOTS)[2]
    inputs = (memory, certain.expand_as(scores), torch.ones_like(erase), add, certain.expand_as(read_scores))
    reads, after = scan(*inputs)
    assert torch.equal(reads, add.unsqueeze(2).expand_as(reads))
    assert torch.equal(after[:, 2], add[:, -1])
    assert torch.equal(after[:, [0, 1, 3]], memory[:, [0, 1, 3]])


@pytest.mark.usefixtures("core")
def test_what_is_erased_a_thousand_times_does_no_harm() -> None:
    """The product of all that is kept underflows; what was added last is read all the same, with its gradient."""
    memory, scores, erase, add, read_scores = plan(1000, torch.float32, slots=1)  # the softmax over one slot is 1
    inputs = [tensor.requires_grad_() for tensor in (memory, scores, torch.ones_like(erase), add, read_scores)]
    reads, after = scan(*inputs)
    torch.testing.assert_close(reads, add.unsqueeze(2).expand_as(reads))
    assert torch.equal(after, add[:, -1:].expand_as(after))
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(reads.sum() + after.sum(), inputs))


def test_scan_holds_no_memory_of_every_step(core: str) -> None:
    steps, chunk = 16 * CHUNK, erase_add_compiled.CHUNK if core == "compiled" else CHUNK
    inputs = [tensor.requires_grad_() for tensor in plan(steps)]
    held: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scan(*inputs)
    memories = [tensor for tensor in held if tensor.dim() == 4 and tensor[0].numel() == inputs[0].numel()]
    assert [len(tensor) for tensor in memories] == [steps // chunk]
    assert max(tensor.numel() for tensor in held) == inputs[-1].numel()


def test_mixed_precisions_are_refused_and_not_read_past_their_end() -> None:
    memory, *parts = plan(3)
    with pytest.raises(RuntimeError, match="scalar type Float but found Double"):
        scan(memory, *(part.float() for part in parts))
