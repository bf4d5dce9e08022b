"""What every memory promises, over all memories."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from contract import CODE_WIDTH, FEATURES, Make, labelled_sequence
from torch import Tensor

from metamann.memory.attention.snail import SnailState
from metamann.memory.controlled.additive import AdditiveMemory
from metamann.memory.controlled.ntm import NTMMemory
from metamann.memory.fast_weights.ridge import RidgeState
from metamann.memory.interface import Memory, keep
from metamann.memory.pairs.keyvalue import KeyValueState
from metamann.memory.pairs.prototypes import PrototypeState

BATCH, STEPS = 3, 6
# an episode starts from rows, or heads, of their own: all others start from zeros
STARTS_FROM_ROWS = (AdditiveMemory, NTMMemory)


@pytest.fixture
def memory(make_memory: Make, memory_kind: str) -> Memory[Any]:
    return make_memory(memory_kind, FEATURES, CODE_WIDTH)


def draw(steps: int = STEPS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features and one-hot codes."""
    return labelled_sequence(steps, BATCH, seed=seed)[:2]


def unmasked(steps: int = STEPS) -> Tensor:
    return torch.ones(BATCH, steps, dtype=torch.bool)


def written(memory: Memory[Any], seed: int = 1) -> Any:
    features, codes = draw(seed=seed)
    return memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, unmasked())


def contents(state: Any, episode: int) -> list[Tensor]:
    """What is in the memory of one episode; the empty slots that masked steps append are nothing."""
    if isinstance(state, KeyValueState | PrototypeState | SnailState):
        return [tensor[episode][state.filled[episode]] for tensor in state]
    if isinstance(state, RidgeState):
        filled = state.filled[episode]
        return [state.gram[episode], state.cross[episode], state.keys[episode][filled], state.values[episode][filled]]
    return [tensor[episode] for tensor in state]


def test_a_masked_step_leaves_the_contents_bitwise(memory: Memory[Any]) -> None:
    state = written(memory)
    features, codes = draw()
    _, after = memory.step(state, features[:, 0], codes[:, 0], torch.tensor([False, True, False]))
    for episode in (0, 2):
        for old, new in zip(contents(state, episode), contents(after, episode), strict=True):
            assert torch.equal(old, new)
    changed = [
        old.shape != new.shape or not torch.equal(old, new)
        for old, new in zip(contents(state, 1), contents(after, 1), strict=True)
    ]
    assert any(changed)


def test_masked_steps_change_no_read(memory: Memory[Any]) -> None:
    features, codes = draw()
    mask = unmasked()
    mask[:, [0, 3, 4]] = False
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, final = memory.scan(state, features, codes, mask)
    steps = [1, 2, 5]
    expected, expected_final = memory.scan(state, features[:, steps], codes[:, steps], mask[:, steps])
    torch.testing.assert_close(reads[:, steps], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(memory.read(final, features), memory.read(expected_final, features), rtol=0, atol=1e-12)


def test_no_steps_read_nothing_and_leave_the_contents(memory: Memory[Any]) -> None:
    state = written(memory)
    features, codes = (tensor.requires_grad_() for tensor in draw(steps=0))
    reads, after = memory.scan(state, features, codes, unmasked(0))
    assert reads.shape == memory.scan(state, *draw(), unmasked())[0][:, :0].shape
    for episode in range(BATCH):
        for old, new in zip(contents(state, episode), contents(after, episode), strict=True):
            assert torch.equal(old, new)
    outputs = [tensor for tensor in (reads, *after) if tensor.requires_grad]
    for gradient in torch.autograd.grad([output.sum() for output in outputs], features, allow_unused=True):
        assert gradient is None or gradient.shape == features.shape


def test_what_a_masked_step_holds_does_not_matter(memory: Memory[Any]) -> None:
    (features, codes), (other, other_codes) = draw(), draw(seed=2)
    mask = torch.rand(BATCH, STEPS, generator=torch.Generator().manual_seed(3)) < 0.5
    assert mask.any()
    swapped = torch.where(mask.unsqueeze(-1), features, other), torch.where(mask.unsqueeze(-1), codes, other_codes)
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    reads, final = memory.scan(state, features, codes, mask)
    swapped_reads, swapped_final = memory.scan(state, *swapped, mask)
    assert torch.equal(reads[mask], swapped_reads[mask])
    assert torch.equal(memory.read(final, features), memory.read(swapped_final, features))


@pytest.mark.parametrize("chained", [False, True], ids=["scan", "step"])
def test_a_label_is_not_read_before_the_next_step(memory: Memory[Any], chained: bool) -> None:
    features, codes = draw()
    for t in range(STEPS):
        other = codes.clone()
        other[:, t] = codes[:, t].roll(1, -1)
        reads = [run(memory, features, labels, chained) for labels in (codes, other)]
        assert torch.equal(reads[0][:, : t + 1], reads[1][:, : t + 1])
        if t + 1 < STEPS:
            assert not torch.equal(reads[0][:, t + 1], reads[1][:, t + 1])


@pytest.mark.parametrize("chained", [False, True], ids=["scan", "step"])
def test_later_items_do_not_change_earlier_reads(memory: Memory[Any], chained: bool) -> None:
    (features, codes), (other, other_codes) = draw(), draw(seed=2)
    expected = run(memory, features, codes, chained)
    for t in range(STEPS - 1):
        changed = torch.cat([features[:, : t + 1], other[:, t + 1 :]], 1)
        changed_codes = torch.cat([codes[:, :t], other_codes[:, t:]], 1)
        reads = run(memory, changed, changed_codes, chained)
        assert torch.equal(reads[:, : t + 1], expected[:, : t + 1])
        assert not torch.equal(reads[:, t + 1 :], expected[:, t + 1 :])


def run(memory: Memory[Any], features: Tensor, codes: Tensor, chained: bool) -> Tensor:
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    if not chained:
        return memory.scan(state, features, codes, unmasked())[0]
    return Memory.scan(memory, state, features, codes, unmasked())[0]


def test_reads_have_the_width_that_the_memory_says(memory: Memory[Any]) -> None:
    features, codes = draw()
    reads, state = memory.scan(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, unmasked())
    width = CODE_WIDTH + 1 if memory.reads_label_mass else memory.read_width
    assert reads.shape == memory.read(state, features).shape == (BATCH, STEPS, width)
    readout = memory.code_readout()
    assert readout is None or readout.shape == (CODE_WIDTH, width)


def test_queries_do_not_see_each_other(memory: Memory[Any]) -> None:
    state = written(memory)
    queries, others = draw()[0], draw(seed=2)[0]
    reads = memory.read(state, queries)
    for q in range(STEPS):
        company = others.clone()
        company[:, q] = queries[:, q]
        assert torch.equal(memory.read(state, company)[:, q], reads[:, q])


def test_order_of_queries_does_not_matter(memory: Memory[Any]) -> None:
    state = written(memory)
    queries = draw()[0]
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    reads = memory.read(state, queries)
    assert not torch.allclose(reads[:, 0], reads[:, 1])
    torch.testing.assert_close(memory.read(state, queries[:, order]), reads[:, order], rtol=0, atol=1e-12)


def test_a_read_is_what_the_next_step_reads(memory: Memory[Any]) -> None:
    state = written(memory)
    features, codes = draw()
    read, _ = memory.step(state, features[:, 0], codes[:, 0], unmasked()[:, 0])
    torch.testing.assert_close(memory.read(state, features[:, :1])[:, 0], read, rtol=0, atol=1e-12)


def test_reading_leaves_the_state_alone(memory: Memory[Any]) -> None:
    state = written(memory)
    before = copy.deepcopy([tensor.detach() for tensor in state])
    memory.read(state, draw()[0])
    memory.step(state, draw()[0][:, 0], draw()[1][:, 0], unmasked()[:, 0])
    assert all(torch.equal(old, new) for old, new in zip(before, state, strict=True))


def test_an_episode_alone_is_as_in_a_batch(memory: Memory[Any]) -> None:
    features, codes = draw()
    mask = torch.rand(BATCH, STEPS, generator=torch.Generator().manual_seed(3)) < 0.7
    reads, state = memory.scan(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, mask)
    for episode in range(BATCH):
        only = slice(episode, episode + 1)
        fresh = memory.initial_state(1, CODE_WIDTH, features)
        alone, alone_state = memory.scan(fresh, features[only], codes[only], mask[only])
        torch.testing.assert_close(alone, reads[only], rtol=0, atol=1e-12)
        for one, other in zip(alone_state, state, strict=True):
            torch.testing.assert_close(one, other[only], rtol=0, atol=1e-12)


def test_other_episodes_of_the_batch_do_not_change_a_bit(memory: Memory[Any]) -> None:
    (features, codes), (other, other_codes) = draw(), draw(seed=2)
    other[1], other_codes[1] = features[1], codes[1]
    reads = run(memory, features, codes, chained=False)
    assert torch.equal(run(memory, other, other_codes, chained=False)[1], reads[1])


def test_writing_in_two_parts_is_writing_at_once(memory: Memory[Any]) -> None:
    features, codes = draw()
    mask = unmasked()
    mask[0, 1] = False
    state = memory.initial_state(BATCH, CODE_WIDTH, features)
    first = memory.write(state, features[:, :2], codes[:, :2], mask[:, :2])
    second = memory.write(first, features[:, 2:], codes[:, 2:], mask[:, 2:])
    at_once = memory.write(state, features, codes, mask)
    for one, other in zip(second, at_once, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_write_is_scan_without_the_reads(memory: Memory[Any]) -> None:
    features, codes = draw()
    state = written(memory)
    _, scanned = memory.scan(state, features, codes, unmasked())
    for one, other in zip(memory.write(state, features, codes, unmasked()), scanned, strict=True):
        assert torch.equal(one, other)


def test_nothing_of_an_episode_stays_on_the_module(memory: Memory[Any]) -> None:
    before = {name: tensor.clone() for name, tensor in memory.state_dict().items()}
    attributes = set(vars(memory))
    features, codes = draw()
    expected = run(memory, features, codes, chained=False)
    memory.read(written(memory, seed=5), draw(seed=6)[0])
    assert torch.equal(run(memory, features, codes, chained=False), expected)
    assert set(vars(memory)) == attributes
    after = memory.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_fresh_state_takes_device_and_type_from_the_features(memory: Memory[Any]) -> None:
    for dtype in (torch.float32, torch.float64):
        state = memory.initial_state(BATCH, CODE_WIDTH, torch.zeros(1, dtype=dtype))
        assert {tensor.dtype for tensor in state} <= {dtype, torch.bool}
        assert all(torch.equal(tensor, tensor[:1].expand(BATCH, *tensor.shape[1:])) for tensor in state)
        if not isinstance(memory, STARTS_FROM_ROWS):
            assert all(len(tensor) == BATCH and not tensor.any() for tensor in state)


def test_trace_has_a_weight_for_every_head_step_and_slot(memory: Memory[Any]) -> None:
    features, codes = draw()
    trace = memory.trace(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, unmasked())
    batch, _, steps, _ = trace.read_weights.shape
    assert (batch, steps) == (BATCH, STEPS)
    torch.testing.assert_close(
        trace.read_weights.sum(-1), torch.ones(trace.read_weights.shape[:-1], dtype=torch.float64)
    )


def test_keep_takes_each_tensor_from_the_right_state() -> None:
    old = KeyValueState(torch.zeros(2, 1, 3), torch.zeros(2, 1, 2), torch.zeros(2, 1, dtype=torch.bool))
    new = KeyValueState(torch.ones(2, 1, 3), torch.ones(2, 1, 2), torch.ones(2, 1, dtype=torch.bool))
    kept = keep(torch.tensor([True, False]), new, old)
    for tensor in kept:
        assert tensor[0].all()
        assert not tensor[1].any()
