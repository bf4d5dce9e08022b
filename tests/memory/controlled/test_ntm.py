"""The Neural Turing Machine against formulas written down a second time, in loops over plain NumPy arrays."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    FEATURES,
    Arrays,
    Make,
    after_writing,
    assert_step_equals,
    build,
    full_mask,
    padded,
    parameter_arrays,
    random_sequence,
    recall_accuracy,
    reference_controller,
    reference_item,
    sigmoid,
    softmax,
)
from dialects import BASE, DIALECTS, Options, option_id
from torch import Tensor

from metamann.memory.controlled.ntm import Location, NTMMemory, NTMState, address, sharpened, shifted

STEPS = 5


def reference_weights(memory: np.ndarray, before: np.ndarray, key: np.ndarray, parts: Arrays, head: int) -> np.ndarray:
    """Equations 5 to 9 for one head."""
    slots = len(memory)
    cosines = np.zeros(slots)
    for slot in range(slots):
        cosines[slot] = key @ memory[slot] / np.sqrt((key @ key) * (memory[slot] @ memory[slot]) + 1e-6)
    by_content = softmax(np.log1p(np.exp(parts["strength"][head])) * cosines)
    gate = sigmoid(parts["gate"][head])
    gated = gate * by_content + (1 - gate) * before
    shift = softmax(parts["shift"][head])
    reach = len(shift) // 2
    moved = np.zeros(slots)
    for slot, by in itertools.product(range(slots), range(-reach, reach + 1)):
        moved[(slot + by) % slots] += gated[slot] * shift[by + reach]
    powers = moved ** (1 + np.log1p(np.exp(parts["sharpness"][head])))
    return powers / powers.sum()


def reference_step(
    p: Arrays, options: dict[str, Any], state: Arrays, x: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: what is read, and the next state."""
    heads, write_heads, slots, width = (options[name] for name in ("heads", "write_heads", "slots", "width"))
    item = reference_item(p, x)
    seen = np.concatenate([item, state["previous_code"], state["read"]])
    hidden, cell = reference_controller(p, options["controller"], seen, state["hidden"], state["cell"])
    names = ("key", "write_key", "strength", "gate", "shift", "sharpness", "erase", "add")
    parts = {name: p[f"interface.{name}.weight"] @ hidden + p[f"interface.{name}.bias"] for name in names}
    if options["shortcut"]:
        parts["key"] = parts["key"] + p["shortcut.item.weight"] @ item
        parts["add"] = parts["add"] + p["shortcut.told_item.weight"] @ state["previous_item"]
        parts["add"] = parts["add"] + p["shortcut.told_code.weight"] @ state["previous_code"]
    keys, write_keys = np.tanh(parts["key"]).reshape(heads, width), np.tanh(parts["write_key"])
    write_keys, add = write_keys.reshape(write_heads, width), np.tanh(parts["add"]).reshape(write_heads, width)
    erase = sigmoid(parts["erase"]).reshape(write_heads, width)
    parts["shift"] = parts["shift"].reshape(write_heads + heads, -1)

    memory, write_weights = state["memory"].copy(), np.zeros((write_heads, slots))
    for head in range(write_heads):
        before = state["write_weights"][head]
        write_weights[head] = reference_weights(state["memory"], before, write_keys[head], parts, head)
    for head, slot in itertools.product(range(write_heads), range(slots)):
        memory[slot] *= 1 - write_weights[head, slot] * erase[head]
    for head, slot in itertools.product(range(write_heads), range(slots)):
        memory[slot] += write_weights[head, slot] * add[head]
    read_weights = np.zeros((heads, slots))
    for head in range(heads):
        before = state["read_weights"][head]
        read_weights[head] = reference_weights(memory, before, keys[head], parts, write_heads + head)
    read = (read_weights @ memory).reshape(-1)
    new = {
        "memory": memory,
        "write_weights": write_weights,
        "read_weights": read_weights,
        "read": read,
        "hidden": hidden,
        "cell": cell,
        "previous_item": item,
        "previous_code": padded(code),
    }
    return np.concatenate([hidden, read]), new


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
@pytest.mark.parametrize("options", DIALECTS["ntm"], ids=option_id)
def test_step_equals_the_formulas(make_memory: Make, options: Options, code_width: int) -> None:
    memory = build(make_memory, "ntm", options)
    features, codes = random_sequence(STEPS, code_width=code_width)
    reference = partial(reference_step, parameter_arrays(memory), {**BASE["ntm"], **options})
    assert_step_equals(reference, memory, memory.initial_state(2, code_width, features), features, codes)


def heads(
    strength: float = 1.0, gate: float = 1.0, shift: tuple[float, ...] = (0, 1, 0), sharpness: float = 1.0
) -> Any:
    """One head of each of two episodes, the same in both."""
    one = torch.ones(2, 1, 1, dtype=torch.float64)
    return Location(
        strength * one, gate * one, torch.tensor(shift, dtype=torch.float64).expand(2, 1, -1), sharpness * one
    )


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.fixture
def before() -> Tensor:
    return torch.rand(2, 1, 6, generator=torch.Generator().manual_seed(6), dtype=torch.float64).softmax(-1)


def test_no_strength_spreads_over_all_slots(rows: Tensor, before: Tensor) -> None:
    weights = address(rows, before, rows[:, :1], heads(strength=0))
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 6))


def test_great_strength_finds_the_nearest_row(rows: Tensor, before: Tensor) -> None:
    for slot in range(6):
        weights = address(rows, before, 0.3 * rows[:, slot : slot + 1], heads(strength=1e4))
        torch.testing.assert_close(weights, torch.eye(6, dtype=torch.float64)[slot].expand(2, 1, 6))


def test_closed_gate_keeps_the_weights(rows: Tensor, before: Tensor) -> None:
    torch.testing.assert_close(address(rows, before, rows[:, :1], heads(gate=0)), before)


@pytest.mark.parametrize(
    ("shift", "by"), [((1, 0, 0), -1), ((0, 1, 0), 0), ((0, 0, 1), 1), ((1, 0, 0, 0, 0), -2), ((0, 0, 0, 0, 1), 2)]
)
def test_shift_turns_the_slots_in_a_circle(before: Tensor, shift: tuple[float, ...], by: int) -> None:
    moved = shifted(before, heads(shift=shift).shift)
    for slot in range(6):
        assert torch.equal(moved[..., (slot + by) % 6], before[..., slot])


def test_sharpness_is_a_power(before: Tensor) -> None:
    expected = before.numpy() ** 3 / (before.numpy() ** 3).sum(-1, keepdims=True)
    np.testing.assert_allclose(sharpened(before, heads(sharpness=3).sharpness), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sharpness", [1.0, 1.5, 2.0, 1e4])
def test_sharpening_is_finite_at_weights_of_zero(sharpness: float, dtype: torch.dtype) -> None:
    weights = torch.zeros(2, 1, 200, dtype=dtype)
    weights[0, 0, 3] = 1
    weights[1, 0, 5:] = 1 / 195
    power = torch.full((2, 1, 1), sharpness, dtype=dtype, requires_grad=True)
    after = sharpened(weights.requires_grad_(), power)
    gradients = torch.autograd.grad(after[..., 3:9].square().sum(), (weights, power))
    torch.testing.assert_close(after, weights)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_zero_rows_and_zero_keys_have_finite_weights_and_gradients(before: Tensor) -> None:
    memory = torch.zeros(2, 6, 4, dtype=torch.float64, requires_grad=True)
    key = torch.zeros(2, 1, 4, dtype=torch.float64, requires_grad=True)
    weights = address(memory, before, key, heads(strength=10, gate=0.5, sharpness=2))
    assert weights.isfinite().all()
    for gradient in torch.autograd.grad(weights[..., 0].sum(), (memory, key)):
        assert gradient.isfinite().all()


def test_addressing_has_the_gradient_of_its_value(rows: Tensor, before: Tensor) -> None:
    location = heads(strength=2, gate=0.7, shift=(0.1, 0.3, 0.6), sharpness=1.5)
    inputs = [tensor.clone().requires_grad_() for tensor in (rows, before, rows[:, :1], *location)]
    assert torch.autograd.gradcheck(lambda *args: address(*args[:3], Location(*args[3:])), inputs)


@pytest.mark.parametrize("initial_memory", ["constant", "random", "learned"])
def test_every_episode_starts_from_the_same_memory(initial_memory: str) -> None:
    memory = NTMMemory(FEATURES, CODE_WIDTH, **{**BASE["ntm"], "initial_memory": initial_memory})
    first, again = (memory.initial_state(3, CODE_WIDTH, torch.zeros(1)).memory for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, first[:1].expand_as(first))
    assert bool((first == 1e-6).all()) == (initial_memory == "constant")
    learned = [name for name, _ in memory.named_parameters() if "memory" in name]
    assert learned == (["fresh_memory"] if initial_memory == "learned" else [])


def test_random_initial_memory_is_in_the_state_dict() -> None:
    one, other = (NTMMemory(FEATURES, CODE_WIDTH, **{**BASE["ntm"], "initial_memory": "random"}) for _ in range(2))
    assert not torch.equal(one.fresh_memory, other.fresh_memory)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.fresh_memory, other.fresh_memory)


def test_write_heads_start_at_different_slots(make_memory: Make) -> None:
    memory = build(make_memory, "ntm", {"heads": 3, "write_heads": 3})
    state = memory.initial_state(2, CODE_WIDTH, torch.zeros(1))
    assert state.write_weights.argmax(-1).tolist() == [[0, 2, 4]] * 2
    assert state.read_weights.argmax(-1).tolist() == [[0, 0, 0]] * 2
    assert torch.equal(state.write_weights.sum(-1), torch.ones(2, 3))


def untrained(items: int, **options: Any) -> tuple[NTMMemory, Tensor, Tensor, NTMState]:
    torch.manual_seed(7)
    memory = NTMMemory(features=64, code_width=5, **options)
    features, codes = torch.randn(20, items, 64), torch.eye(5)[torch.arange(items) % 5].expand(20, items, 5)
    with torch.no_grad():
        return memory, features, codes, after_writing(memory, features, codes)


def test_untrained_memory_overwrites_the_oldest_items_when_it_is_full() -> None:
    memory, features, codes, state = untrained(30, slots=16)
    assert recall_accuracy(memory, state, features[:, -14:], codes[:, -14:]) > 0.85
    assert recall_accuracy(memory, state, features[:, :10], codes[:, :10]) < 0.5


@pytest.mark.parametrize("follows", [False, True])
def test_untrained_memory_with_follows_reads_the_next_item_too(follows: bool) -> None:
    """Items come back one after another: a read is of the item, or half of it is of the slot behind."""
    memory, features, codes, state = untrained(10, follows=follows)
    features, codes = features[:, 3:6], codes[:, 3:6]
    weights = memory.trace(state, features, codes, full_mask(features)).read_weights
    of_item = weights[:, :, -1, 7].mean().item()  # item 5: written a step after it came, the head moved on before
    of_next = weights[:, :, -1, 8].mean().item()
    assert of_item > (0.3 if follows else 0.8)
    assert (of_next > 0.3) == follows
