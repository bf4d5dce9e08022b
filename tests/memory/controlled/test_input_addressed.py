"""The input-addressed Neural Turing Machine against its formulas in loops over plain NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.memory.controlled.input_addressed import InputAddressedNTM, InputAddressedState, unit
from metamann.memory.interface import Memory

FEATURES, CODE_WIDTH, STEPS = 5, 3, 6
Arrays = dict[str, np.ndarray]
Make = Callable[..., InputAddressedNTM]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def reference_weights(key: np.ndarray, addresses: np.ndarray, log_strength: float) -> np.ndarray:
    scores = np.zeros(len(addresses))
    for slot, row in enumerate(addresses):
        scores[slot] = np.exp(log_strength) * (key @ row) / np.sqrt((key @ key + 1e-6) * (row @ row + 1e-6))
    return np.exp(scores) / np.exp(scores).sum()


def reference_step(p: Arrays, state: Arrays, x: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: what is read, and the next state."""
    item = x
    if "item.0.weight" in p:
        projected = p["item.0.weight"] @ x + p["item.0.bias"]
        normal = (projected - projected.mean()) / np.sqrt(projected.var() + 1e-5)
        item = normal * p["item.1.weight"] + p["item.1.bias"]
    previous_item, previous_code = state["previous_item"], state["previous_code"]
    weights = reference_weights(p["write_key.weight"] @ previous_item, p["addresses"], p["log_strength"][0])
    erase = sigmoid(p["erase.weight"] @ np.concatenate([previous_item, previous_code]) + p["erase.bias"])
    add = np.tanh(p["add_item.weight"] @ previous_item + p["add_code.weight"] @ previous_code)
    memory = state["memory"] * (1 - np.outer(weights, erase)) + np.outer(weights, add)
    reads = []
    for head, key in enumerate((p["read_key.weight"] @ item).reshape(len(p["log_strength"]) - 1, -1)):
        reads.append(reference_weights(key, p["addresses"], p["log_strength"][1 + head]) @ memory)
    padded = np.concatenate([code, np.zeros(CODE_WIDTH - len(code))])
    return np.concatenate(reads), {"memory": memory, "previous_item": item, "previous_code": padded}


def draw(steps: int = STEPS, batch: int = 2, code_width: int = CODE_WIDTH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.randn(batch, steps, code_width, generator=generator, dtype=torch.float64)
    return features, codes


def as_arrays(state: InputAddressedState, episode: int) -> Arrays:
    return {name: tensor[episode].detach().numpy() for name, tensor in state._asdict().items()}


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
@pytest.mark.parametrize("options", [{}, {"heads": 1, "item_width": None}], ids=["default", "one-head"])
def test_step_equals_the_formulas(make_memory: Make, options: dict[str, Any], code_width: int) -> None:
    memory = make_memory("ntm_input", FEATURES, CODE_WIDTH, **options)
    parameters = {name: tensor.numpy() for name, tensor in memory.state_dict().items()}
    features, codes = draw(code_width=code_width)
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    mask[1, 2] = False
    state = memory.initial_state(2, code_width, features)
    expected = [as_arrays(state, episode) for episode in range(2)]
    for t in range(STEPS):
        read, state = memory.step(state, features[:, t], codes[:, t], mask[:, t])
        for episode in range(2):
            x, code = features[episode, t].numpy(), codes[episode, t].numpy()
            expected_read, new = reference_step(parameters, expected[episode], x, code)
            if mask[episode, t]:
                expected[episode] = new
                np.testing.assert_allclose(read[episode].detach(), expected_read, rtol=0, atol=1e-10)
            for name, array in as_arrays(state, episode).items():
                np.testing.assert_allclose(array, expected[episode][name], rtol=0, atol=1e-10, err_msg=name)


def test_before_anything_is_told_nothing_is_written(make_memory: Make) -> None:
    memory = make_memory("ntm_input", FEATURES, CODE_WIDTH)
    features, codes = draw()
    state = memory.initial_state(2, CODE_WIDTH, features)
    read, after = memory.step(state, features[:, 0], codes[:, 0], torch.ones(2, dtype=torch.bool))
    assert not read.any()
    assert not after.memory.any()


def test_slots_can_be_permuted(make_memory: Make) -> None:
    memory = make_memory("ntm_input", FEATURES, CODE_WIDTH)
    features, codes = draw()
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    rows = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    order = [3, 0, 5, 1, 4, 2]
    results = []
    for permuted in (False, True):
        if permuted:
            rows = rows[:, order]
            memory.addresses.data = memory.addresses.data[order]
        state = memory.initial_state(2, CODE_WIDTH, features)._replace(memory=rows)
        results.append(memory.scan(state, features, codes, mask))
    (reads, final), (other_reads, other_final) = results
    torch.testing.assert_close(other_reads, reads, rtol=0, atol=1e-12)
    torch.testing.assert_close(other_final.memory, final.memory[:, order], rtol=0, atol=1e-12)


def test_a_sequence_of_no_steps(make_memory: Make) -> None:
    memory = make_memory("ntm_input", FEATURES, CODE_WIDTH)
    features, codes = draw()
    state = memory.write(memory.initial_state(2, CODE_WIDTH, features), features, codes, torch.ones(2, STEPS).bool())
    reads, final = memory.scan(state, features[:, :0], codes[:, :0], torch.ones(2, 0, dtype=torch.bool))
    assert reads.shape == (2, 0, memory.read_width)
    assert all(torch.equal(before, after) for before, after in zip(state, final, strict=True))


def test_zero_vectors_have_finite_gradients() -> None:
    vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    after = unit(vectors)
    torch.testing.assert_close(after, torch.tensor([[0, 0], [0.6, 0.8]], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(after.sum(), vectors)
    assert gradient.isfinite().all()


class Unrolled(nn.Module):
    """The reads and the last memory as a function of features, codes and parameters."""

    def __init__(self, memory: Memory[InputAddressedState], scan: Callable[..., Any]) -> None:
        super().__init__()
        self.memory, self.run = memory, scan

    def forward(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.ones(features.shape[:2], dtype=torch.bool)
        mask[0, 1] = False
        state = self.memory.initial_state(len(features), codes.shape[-1], features)
        reads, final = self.run(self.memory, state, features, codes, mask)
        return reads, final.memory


@pytest.mark.parametrize("scan", [InputAddressedNTM.scan, Memory.scan], ids=["scan", "step"])
def test_gradients_of_three_steps(make_memory: Make, scan: Callable[..., Any]) -> None:
    memory = make_memory("ntm_input", 2, 2, item_width=3, slots=3, width=2, heads=2)
    unrolled = Unrolled(memory, scan)
    names = [name for name, _ in unrolled.named_parameters()]

    def reads(features: Tensor, codes: Tensor, *parameters: Tensor) -> Any:
        return torch.func.functional_call(unrolled, dict(zip(names, parameters, strict=True)), (features, codes))

    generator = torch.Generator().manual_seed(6)
    inputs = [torch.randn(2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    parameters = [parameter.detach().clone().requires_grad_() for parameter in unrolled.parameters()]
    assert torch.autograd.gradcheck(reads, (*inputs, *parameters), atol=1e-5)


@pytest.mark.parametrize("heads", [1, 3])
def test_fresh_memory_already_names_what_it_was_told(heads: int) -> None:
    torch.manual_seed(7)
    memory = InputAddressedNTM(features=64, code_width=5, heads=heads)
    features, codes = torch.randn(20, 5, 64), torch.eye(5).expand(20, 5, 5)
    with torch.no_grad():
        state = memory.initial_state(20, 5, features)
        state = memory.write(state, features, codes, torch.ones(20, 5, dtype=torch.bool))
        named = memory.read(state, features) @ memory.code_readout().T
    assert (named.argmax(-1) == torch.arange(5)).float().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "named"),
    [({"heads": 0}, "memory.heads=0"), ({"width": 0}, "memory.width=0"), ({"strength": 0.0}, "strength=0")],
)
def test_impossible_options_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        InputAddressedNTM(FEATURES, CODE_WIDTH, **options)


def test_codes_wider_than_the_memory_was_built_for_are_refused(make_memory: Make) -> None:
    memory = make_memory("ntm_input", FEATURES, CODE_WIDTH)
    features, codes = draw(code_width=CODE_WIDTH + 1)
    with pytest.raises(ConfigError, match=f"width {CODE_WIDTH}.*{CODE_WIDTH + 1}"):
        memory.initial_state(2, CODE_WIDTH + 1, features)
    state = memory.initial_state(2, CODE_WIDTH, features)
    with pytest.raises(ConfigError, match=f"width {CODE_WIDTH}.*{CODE_WIDTH + 1}"):
        memory.scan(state, features, codes, torch.ones(2, STEPS, dtype=torch.bool))
