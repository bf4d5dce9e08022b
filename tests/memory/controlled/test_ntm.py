"""The Neural Turing Machine against formulas written down a second time, in loops over plain NumPy arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.memory.controlled.ntm import Location, NTMMemory, NTMState, address, sharpened, shifted
from metamann.memory.interface import Memory

FEATURES, CODE_WIDTH, STEPS = 5, 3, 5
BASE: dict[str, Any] = {
    "item_width": 4,
    "slots": 6,
    "width": 4,
    "heads": 2,
    "write_heads": 1,
    "shift_range": 1,
    "initial_memory": "constant",
    "controller": "lstm",
    "hidden": 5,
    "shortcut": True,
}
DIALECTS: list[dict[str, Any]] = [
    {},
    {"shortcut": False},
    {"heads": 4, "write_heads": 2},
    {"heads": 1, "write_heads": 3, "shortcut": False, "item_width": None},
    {"shift_range": 2},
    {"shift_range": 0, "shortcut": False},
    {"initial_memory": "random"},
    {"initial_memory": "learned"},
    {"controller": "feedforward"},
]
Arrays = dict[str, np.ndarray]
Make = Callable[..., NTMMemory]


def _id(dialect: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in dialect.items()) or "default"


@pytest.fixture(params=DIALECTS, ids=_id)
def dialect(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**BASE, **request.param}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def reference_controller(p: Arrays, kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[Any, Any]:
    if kind == "feedforward":
        return np.tanh(p["controller.cell.weight"] @ x + p["controller.cell.bias"]), c
    gates = p["controller.cell.weight_ih"] @ x + p["controller.cell.bias_ih"]
    gates = gates + p["controller.cell.weight_hh"] @ h + p["controller.cell.bias_hh"]
    enter, forget, new, out = np.split(gates, 4)
    c = sigmoid(forget) * c + sigmoid(enter) * np.tanh(new)
    return sigmoid(out) * np.tanh(c), c


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
    item = x
    if options["item_width"] is not None:
        projected = p["item.0.weight"] @ x + p["item.0.bias"]
        normal = (projected - projected.mean()) / np.sqrt(projected.var() + 1e-5)
        item = normal * p["item.1.weight"] + p["item.1.bias"]
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
        "previous_code": np.concatenate([code, np.zeros(CODE_WIDTH - len(code))]),
    }
    return np.concatenate([hidden, read]), new


def draw(steps: int = STEPS, batch: int = 2, code_width: int = CODE_WIDTH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.randn(batch, steps, code_width, generator=generator, dtype=torch.float64)
    return features, codes


def as_arrays(state: NTMState, episode: int) -> Arrays:
    return {name: tensor[episode].detach().numpy() for name, tensor in state._asdict().items()}


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
def test_step_equals_the_formulas(make_memory: Make, dialect: dict[str, Any], code_width: int) -> None:
    memory = make_memory("ntm", FEATURES, CODE_WIDTH, **dialect)
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
            expected_read, new = reference_step(parameters, dialect, expected[episode], x, code)
            expected[episode] = new if mask[episode, t] else expected[episode]
            np.testing.assert_allclose(read[episode].detach(), expected_read, rtol=0, atol=1e-10)
            for name, array in as_arrays(state, episode).items():
                np.testing.assert_allclose(array, expected[episode][name], rtol=0, atol=1e-10, err_msg=name)


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


class Unrolled(nn.Module):
    """The reads and the last memory as a function of features, codes and parameters."""

    def __init__(self, memory: Memory[NTMState]) -> None:
        super().__init__()
        self.memory = memory

    def forward(self, features: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.ones(features.shape[:2], dtype=torch.bool)
        mask[0, 1] = False
        state = self.memory.initial_state(len(features), codes.shape[-1], features)
        reads, final = self.memory.scan(state, features, codes, mask)
        return reads, final.memory


@pytest.mark.parametrize(
    "options",
    [
        {"initial_memory": "learned"},
        {"initial_memory": "random", "heads": 1, "write_heads": 2, "shortcut": False, "item_width": None},
    ],
    ids=_id,
)
def test_gradients_of_three_steps(make_memory: Make, options: dict[str, Any]) -> None:
    tiny = {"item_width": 3, "slots": 3, "width": 2, "heads": 2, "hidden": 2}
    unrolled = Unrolled(make_memory("ntm", 2, 2, **{**BASE, **tiny, **options}))
    names = [name for name, _ in unrolled.named_parameters()]

    def reads(features: Tensor, codes: Tensor, *parameters: Tensor) -> Any:
        return torch.func.functional_call(unrolled, dict(zip(names, parameters, strict=True)), (features, codes))

    generator = torch.Generator().manual_seed(6)
    inputs = [torch.randn(2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    parameters = [parameter.detach().clone().requires_grad_() for parameter in unrolled.parameters()]
    assert torch.autograd.gradcheck(reads, (*inputs, *parameters), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"shift_range": 1}, [4, 5, 0, 1, 2, 3]),  # neighbours stay neighbours
        ({"shift_range": 0, "shortcut": False}, [3, 0, 5, 1, 4, 2]),
    ],
)
def test_slots_can_be_permuted(make_memory: Make, options: dict[str, Any], order: list[int]) -> None:
    memory = make_memory("ntm", FEATURES, CODE_WIDTH, **{**BASE, **options})
    features, codes = draw(steps=1)
    generator = torch.Generator().manual_seed(5)
    state = memory.initial_state(2, CODE_WIDTH, features)._replace(
        memory=torch.randn(2, 6, 4, generator=generator, dtype=torch.float64),
        write_weights=torch.rand(2, 1, 6, generator=generator, dtype=torch.float64).softmax(-1),
        read_weights=torch.rand(2, 2, 6, generator=generator, dtype=torch.float64).softmax(-1),
    )

    def permuted(state: NTMState) -> NTMState:
        return state._replace(
            memory=state.memory[:, order],
            write_weights=state.write_weights[:, :, order],
            read_weights=state.read_weights[:, :, order],
        )

    shown = torch.ones(2, dtype=torch.bool)
    read, after = memory.step(state, features[:, 0], codes[:, 0], shown)
    other_read, other_after = memory.step(permuted(state), features[:, 0], codes[:, 0], shown)
    torch.testing.assert_close(other_read, read, rtol=0, atol=1e-12)
    for name, tensor in permuted(after)._asdict().items():
        torch.testing.assert_close(getattr(other_after, name), tensor, rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("initial_memory", ["constant", "random", "learned"])
def test_every_episode_finds_the_same_memory(initial_memory: str) -> None:
    memory = NTMMemory(FEATURES, CODE_WIDTH, **{**BASE, "initial_memory": initial_memory})
    first, again = (memory.initial_state(3, CODE_WIDTH, torch.zeros(1)).memory for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(first, first[:1].expand_as(first))
    assert bool((first == 1e-6).all()) == (initial_memory == "constant")
    learned = [name for name, _ in memory.named_parameters() if "memory" in name]
    assert learned == (["fresh_memory"] if initial_memory == "learned" else [])


def test_the_random_memory_comes_back_with_the_weights() -> None:
    one, other = (NTMMemory(FEATURES, CODE_WIDTH, **{**BASE, "initial_memory": "random"}) for _ in range(2))
    assert not torch.equal(one.fresh_memory, other.fresh_memory)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.fresh_memory, other.fresh_memory)


def test_write_heads_start_apart(make_memory: Make) -> None:
    memory = make_memory("ntm", FEATURES, CODE_WIDTH, **{**BASE, "heads": 3, "write_heads": 3})
    state = memory.initial_state(2, CODE_WIDTH, torch.zeros(1))
    assert state.write_weights.argmax(-1).tolist() == [[0, 2, 4]] * 2
    assert state.read_weights.argmax(-1).tolist() == [[0, 0, 0]] * 2
    assert torch.equal(state.write_weights.sum(-1), torch.ones(2, 3))


def fresh(items: int, **options: Any) -> tuple[NTMMemory, Tensor, Tensor, NTMState]:
    torch.manual_seed(7)
    memory = NTMMemory(features=64, code_width=5, **options)
    features, codes = torch.randn(20, items, 64), torch.eye(5)[torch.arange(items) % 5].expand(20, items, 5)
    with torch.no_grad():
        state = memory.initial_state(20, 5, features)
        return memory, features, codes, memory.write(state, features, codes, torch.ones(20, items, dtype=torch.bool))


def share_named(memory: NTMMemory, state: NTMState, features: Tensor, codes: Tensor) -> float:
    with torch.no_grad():
        named = memory.read(state, features) @ memory.code_readout().T
    return float((named.argmax(-1) == codes.argmax(-1)).float().mean())


@pytest.mark.parametrize("options", [{}, {"write_heads": 2}, {"initial_memory": "random"}], ids=_id)
def test_fresh_memory_already_names_what_it_was_told(options: dict[str, Any]) -> None:
    memory, features, codes, state = fresh(10, **options)
    assert share_named(memory, state, features, codes) > 0.85


def test_fresh_memory_replaces_the_oldest_when_it_is_full() -> None:
    memory, features, codes, state = fresh(30, slots=16)
    assert share_named(memory, state, features[:, -14:], codes[:, -14:]) > 0.85
    assert share_named(memory, state, features[:, :10], codes[:, :10]) < 0.5


@pytest.mark.parametrize("follows", [False, True])
def test_fresh_memory_that_follows_reads_what_came_next_too(follows: bool) -> None:
    """Items come back one after another: each is found again, or half of each read is one slot further."""
    memory, features, codes, state = fresh(10, follows=follows)
    found = memory.trace(state, features[:, 3:6], codes[:, 3:6], torch.ones(20, 3, dtype=torch.bool)).read_weights
    of_item = found[:, :, -1, 7].mean().item()  # item 5: written a step after it was shown, the head moved on before
    of_next = found[:, :, -1, 8].mean().item()
    assert of_item > (0.3 if follows else 0.8)
    assert (of_next > 0.3) == follows


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"initial_memory": "zeros"}, "initial_memory=zeros.*constant, random or learned"),
        ({"controller": "rnn"}, "controller=rnn"),
        ({"heads": 0}, "memory.heads=0"),
        ({"write_heads": 0}, "memory.write_heads=0"),
        ({"heads": 3, "write_heads": 2}, "memory.heads=3 must be a multiple of memory.write_heads=2"),
        ({"shift_range": 0}, "memory.shift_range=0"),
        ({"shift_range": 3}, "memory.shift_range=3 needs 7 slots"),
        ({"follows": True, "shortcut": False}, "memory.follows is a way to start with the shortcut"),
    ],
)
def test_unknown_options_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        NTMMemory(FEATURES, CODE_WIDTH, **{**BASE, **options})
