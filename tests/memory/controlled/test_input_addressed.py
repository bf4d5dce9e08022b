"""The input-addressed Neural Turing Machine against its formulas in loops over plain NumPy arrays."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    Arrays,
    Make,
    assert_step_equals,
    build,
    padded,
    parameter_arrays,
    random_sequence,
    reference_item,
    sigmoid,
)
from dialects import DIALECTS, Options, option_id

from metamann.memory.controlled.input_addressed import unit

STEPS = 6


def reference_weights(key: np.ndarray, addresses: np.ndarray, log_strength: float) -> np.ndarray:
    scores = np.zeros(len(addresses))
    for slot, row in enumerate(addresses):
        scores[slot] = np.exp(log_strength) * (key @ row) / np.sqrt((key @ key + 1e-6) * (row @ row + 1e-6))
    return np.exp(scores) / np.exp(scores).sum()


def reference_step(p: Arrays, state: Arrays, x: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: what is read, and the next state."""
    item = reference_item(p, x)
    previous_item, previous_code = state["previous_item"], state["previous_code"]
    weights = reference_weights(p["write_key.weight"] @ previous_item, p["addresses"], p["log_strength"][0])
    erase = sigmoid(p["erase.weight"] @ np.concatenate([previous_item, previous_code]) + p["erase.bias"])
    add = np.tanh(p["add_item.weight"] @ previous_item + p["add_code.weight"] @ previous_code)
    memory = state["memory"] * (1 - np.outer(weights, erase)) + np.outer(weights, add)
    reads = []
    for head, key in enumerate((p["read_key.weight"] @ item).reshape(len(p["log_strength"]) - 1, -1)):
        reads.append(reference_weights(key, p["addresses"], p["log_strength"][1 + head]) @ memory)
    return np.concatenate(reads), {"memory": memory, "previous_item": item, "previous_code": padded(code)}


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
@pytest.mark.parametrize("options", DIALECTS["ntm_input"], ids=option_id)
def test_step_equals_the_formulas(make_memory: Make, options: Options, code_width: int) -> None:
    memory = build(make_memory, "ntm_input", options)
    features, codes = random_sequence(STEPS, code_width=code_width)
    reference = partial(reference_step, parameter_arrays(memory))
    state = memory.initial_state(2, code_width, features)
    assert_step_equals(reference, memory, state, features, codes, masked_reads=False)


def test_first_step_reads_and_writes_zeros(make_memory: Make) -> None:
    memory = make_memory("ntm_input")
    features, codes = random_sequence(STEPS)
    state = memory.initial_state(2, CODE_WIDTH, features)
    read, after = memory.step(state, features[:, 0], codes[:, 0], torch.ones(2, dtype=torch.bool))
    assert not read.any()
    assert not after.memory.any()


def test_zero_vectors_have_finite_gradients() -> None:
    vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    after = unit(vectors)
    torch.testing.assert_close(after, torch.tensor([[0, 0], [0.6, 0.8]], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(after.sum(), vectors)
    assert gradient.isfinite().all()
