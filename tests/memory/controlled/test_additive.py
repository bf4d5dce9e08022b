"""Additive memory against formulas written down a second time, in loops over plain NumPy arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.memory.controlled.additive import AdditiveMemory, AdditiveState
from metamann.memory.interface import Memory
from metamann.memory.scores import SCORES

FEATURES, CODE_WIDTH, STEPS = 5, 3, 6
BASE: dict[str, Any] = {
    "item_width": 4,
    "slots": 6,
    "width": 8,
    "hidden": 5,
    "score": "dot",
    "strength": None,
    "query": "input",
    "controller": "lstm",
    "initial_memory": "learned",
    "write_gradient": "local",
    "shortcut": True,
}
BARE: dict[str, Any] = {"shortcut": False, "write_gradient": "full"}
DIALECTS: list[dict[str, Any]] = [
    *(
        {"score": score, "controller": controller, "initial_memory": initial}
        for score, controller, initial in itertools.product(SCORES, ("lstm", "gru"), ("learned", "random", "zeros"))
    ),
    *({**BARE, "score": score} for score in SCORES),
    *({**BARE, "score": score, "query": "controller"} for score in ("additive", "multiplicative")),
    *({**BARE, "score": score, "query": "controller", "width": 5} for score in ("dot", "cosine")),
    {"strength": 3.0},
    {"score": "additive", "strength": 3.0},
    {"controller": "feedforward"},
    {"item_width": None},
    {"slots": 1},
]
Arrays = dict[str, np.ndarray]
Make = Callable[..., AdditiveMemory]


def _id(dialect: dict[str, Any]) -> str:
    return "-".join(f"{name}={value}" for name, value in dialect.items())


def build(make_memory: Make, options: dict[str, Any], features: int = FEATURES, code_width: int = 3) -> AdditiveMemory:
    torch.manual_seed(0)  # random rows are no parameter, so `make_memory` leaves them as they were drawn
    return make_memory("additive", features, code_width, **{**BASE, **options})


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def reference_controller(p: Arrays, kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[Any, Any]:
    if kind == "feedforward":
        return np.tanh(p["controller.cell.weight"] @ x + p["controller.cell.bias"]), c
    from_input = p["controller.cell.weight_ih"] @ x + p["controller.cell.bias_ih"]
    from_hidden = p["controller.cell.weight_hh"] @ h + p["controller.cell.bias_hh"]
    if kind == "lstm":
        enter, forget, new, out = np.split(from_input + from_hidden, 4)
        c = sigmoid(forget) * c + sigmoid(enter) * np.tanh(new)
        return sigmoid(out) * np.tanh(c), c
    reset_x, update_x, new_x = np.split(from_input, 3)
    reset_h, update_h, new_h = np.split(from_hidden, 3)
    new = np.tanh(new_x + sigmoid(reset_x + reset_h) * new_h)
    update = sigmoid(update_x + update_h)
    return (1 - update) * new + update * h, c


def reference_score(p: Arrays, options: dict[str, Any], query: np.ndarray, row: np.ndarray) -> float:
    name = "score." if options["strength"] is None else "score.score."
    if options["score"] in ("dot", "cosine"):
        asked = p["query.weight"] @ query if options["query"] == "input" else query
        score = asked @ row
        if options["score"] == "cosine":
            score = score / np.sqrt((asked @ asked) * (row @ row) + 1e-6)
    elif options["score"] == "multiplicative":
        score = query @ p[name + "query.weight"].T @ row
    else:
        score = p[name + "v"] @ np.tanh(p[name + "query.weight"] @ query + p[name + "row.weight"] @ row)
    return float(score if options["strength"] is None else np.exp(p["score.log_strength"]) * score)


def reference_step(
    p: Arrays, options: dict[str, Any], state: Arrays, x: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: the output and the next state."""
    item = x
    if options["item_width"] is not None:
        projected = p["item.0.weight"] @ x + p["item.0.bias"]
        normal = (projected - projected.mean()) / np.sqrt(projected.var() + 1e-5)
        item = normal * p["item.1.weight"] + p["item.1.bias"]

    rows = state["memory"]
    query = item if options["query"] == "input" else state["hidden"]
    alpha = softmax(np.array([reference_score(p, options, query, row) for row in rows]))
    read = sum(weight * row for weight, row in zip(alpha, rows, strict=True))

    seen = np.concatenate([item, state["previous_code"], read])
    hidden, cell = reference_controller(p, options["controller"], seen, state["hidden"], state["cell"])

    from_hidden = p["write_score.query.weight"] @ hidden
    beta = softmax(
        np.array([p["write_score.v"] @ np.tanh(from_hidden + p["write_score.row.weight"] @ row) for row in rows])
    )
    gamma = p["written.weight"] @ hidden + p["written.bias"]
    if options["shortcut"]:
        gamma = gamma + p["shortcut.item.weight"] @ item + p["shortcut.code.weight"] @ code
    gamma = np.tanh(gamma)
    memory = np.stack([row + weight * gamma for weight, row in zip(beta, rows, strict=True)])
    new = {"memory": memory, "read_weights": alpha[None], "hidden": hidden, "cell": cell, "previous_code": code}
    return np.concatenate([hidden, read]), new


def draw(steps: int = STEPS, batch: int = 2, code_width: int = CODE_WIDTH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(batch, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.randn(batch, steps, code_width, generator=generator, dtype=torch.float64)
    return features, codes


def shown(batch: int = 2, steps: int = STEPS) -> Tensor:
    return torch.ones(batch, steps, dtype=torch.bool)


def as_arrays(state: AdditiveState, episode: int) -> Arrays:
    return {name: tensor[episode].detach().numpy() for name, tensor in state._asdict().items()}


@pytest.mark.parametrize("dialect", DIALECTS, ids=_id)
def test_step_equals_the_formulas(make_memory: Make, dialect: dict[str, Any]) -> None:
    dialect = {**BASE, **dialect}
    memory = build(make_memory, dialect)
    parameters = {name: tensor.numpy() for name, tensor in memory.state_dict().items()}
    features, codes = draw()
    mask = shown()
    mask[1, 2] = False
    state = memory.initial_state(2, CODE_WIDTH, features)
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


def test_narrow_codes_are_padded(make_memory: Make) -> None:
    memory = build(make_memory, {})
    features, codes = draw()
    codes[..., -1] = 0
    state = memory.initial_state(2, CODE_WIDTH - 1, features)
    reads, final = memory.scan(state, features, codes[..., :-1], shown())
    expected, expected_final = memory.scan(state, features, codes, shown())
    assert torch.equal(reads, expected)
    assert all(torch.equal(one, other) for one, other in zip(final, expected_final, strict=True))


@pytest.mark.parametrize("score", SCORES)
def test_slots_can_be_permuted(make_memory: Make, score: str) -> None:
    memory = build(make_memory, {"score": score})
    features, codes = draw()
    slots = BASE["slots"]
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(2, slots, BASE["width"], generator=generator, dtype=torch.float64)
    state = memory.initial_state(2, CODE_WIDTH, features)._replace(memory=rows)

    def permuted(state: AdditiveState) -> AdditiveState:
        order = torch.arange(slots).roll(1)
        return state._replace(memory=state.memory[:, order], read_weights=state.read_weights[..., order])

    reads, after = memory.scan(state, features, codes, shown())
    other_reads, other_after = memory.scan(permuted(state), features, codes, shown())
    torch.testing.assert_close(other_reads, reads, rtol=0, atol=1e-12)
    for name, tensor in permuted(after)._asdict().items():
        torch.testing.assert_close(getattr(other_after, name), tensor, rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("shortcut", [True, False])
def test_rows_of_zeros_stay_alike_for_ever(make_memory: Make, score: str, shortcut: bool) -> None:
    """Nothing tells them apart: equal scores, equal shares of what is written, whatever was learned."""
    spread = {}
    for initial in ("zeros", "random", "learned"):
        memory = build(make_memory, {"score": score, "shortcut": shortcut, "initial_memory": initial})
        features, codes = draw(steps=15)
        fresh = memory.initial_state(2, CODE_WIDTH, features)
        final = memory.write(fresh, features, codes, shown(steps=15)).memory.detach()
        assert (final - fresh.memory).abs().amax() > 1
        spread[initial] = float((final - final[:, :1]).abs().amax())
    assert spread["zeros"] < 1e-12
    assert min(spread["random"], spread["learned"]) > 1e-2


@pytest.mark.parametrize("options", [{}, BARE], ids=["shortcut", "bare"])
def test_every_write_hands_out_the_whole_of_gamma(make_memory: Make, options: dict[str, Any]) -> None:
    """The weights of a write sum to 1, and gamma is within (-1, 1): the sum of all rows moves by less than 1 a step."""
    memory = build(make_memory, options)
    features, codes = draw()
    state = memory.initial_state(2, CODE_WIDTH, features)
    for t in range(STEPS):
        _, after = memory.step(state, features[:, t], codes[:, t], shown()[:, t])
        moved = (after.memory - state.memory).detach()
        gamma = moved.sum(1, keepdim=True)
        assert gamma.abs().amax() < 1
        shares = (moved / gamma).mean(-1, keepdim=True)
        torch.testing.assert_close(moved, shares * gamma)
        assert (shares > 0).all()
        state = after


@pytest.mark.parametrize("initial", ["learned", "random", "zeros"])
def test_every_episode_starts_from_the_same_rows(make_memory: Make, initial: str) -> None:
    memory = build(make_memory, {"initial_memory": initial})
    features, codes = draw()
    fresh = memory.initial_state(2, CODE_WIDTH, features).memory
    memory.write(memory.initial_state(2, CODE_WIDTH, features), features, codes, shown())
    assert torch.equal(memory.initial_state(1, CODE_WIDTH, features).memory[0], fresh[1])
    assert fresh.any() == (initial != "zeros")
    assert ("rows" in dict(memory.named_parameters())) == (initial == "learned")
    assert "rows" in memory.state_dict()


def test_learned_rows_learn(make_memory: Make) -> None:
    memory = build(make_memory, {"score": "multiplicative", "shortcut": False})
    features, codes = draw()
    reads, _ = memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, shown())
    reads.square().sum().backward()
    assert memory.rows.grad is not None
    assert (memory.rows.grad.abs().sum(1) > 0).all()


def test_the_item_asked_with_a_projection_is_the_multiplicative_score(make_memory: Make) -> None:
    features, codes = draw()
    reads = []
    weights: dict[str, Tensor] = {}
    for score, name in (("dot", "query.weight"), ("multiplicative", "score.query.weight")):
        memory = build(make_memory, {"score": score})
        weights = weights or memory.state_dict()
        own = {name if key == "query.weight" else key: tensor for key, tensor in weights.items()}
        memory.load_state_dict(own)
        reads.append(memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, shown())[0])
    torch.testing.assert_close(*reads, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{}, BARE], ids=["shortcut", "bare"])
def test_masked_steps_leave_every_tensor_of_the_state_alone(make_memory: Make, options: dict[str, Any]) -> None:
    memory = build(make_memory, options)
    features, codes = draw(batch=3)
    state = memory.write(memory.initial_state(3, CODE_WIDTH, features), features, codes, shown(3))
    _, after = memory.step(state, features[:, 0], codes[:, 0], torch.tensor([False, True, False]))
    for before, tensor in zip(state, after, strict=True):
        assert torch.equal(before[::2], tensor[::2])
    assert not torch.equal(state.memory[1], after.memory[1])


class Unrolled(nn.Module):
    """The reads and the last memory as a function of features, codes and parameters."""

    def __init__(self, memory: Memory[AdditiveState]) -> None:
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
        {"width": 8},
        {"shortcut": False, "score": "additive", "controller": "gru", "initial_memory": "random"},
        {"shortcut": False, "score": "multiplicative", "query": "controller", "item_width": None},
        {"shortcut": False, "score": "cosine", "initial_memory": "zeros", "strength": 2.0},
    ],
    ids=_id,
)
def test_gradients_of_three_steps(make_memory: Make, options: dict[str, Any]) -> None:
    tiny = {"item_width": 2, "slots": 2, "width": 2, "hidden": 2, "write_gradient": "full"}
    unrolled = Unrolled(build(make_memory, {**tiny, **options}, 2, 2))
    names = [name for name, _ in unrolled.named_parameters()]

    def reads(features: Tensor, codes: Tensor, *parameters: Tensor) -> Any:
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(unrolled, named, (features, codes))

    generator = torch.Generator().manual_seed(6)
    inputs = [torch.randn(2, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    parameters = [parameter.detach().clone().requires_grad_() for parameter in unrolled.parameters()]
    assert torch.autograd.gradcheck(reads, (*inputs, *parameters), atol=1e-5, fast_mode=True)


def test_local_write_gradient_stops_at_what_beta_is_computed_from(make_memory: Make) -> None:
    """With the weights of a write given, the rest of the gradient is that of the full formulas."""
    features, codes = draw()
    gradients, values = {}, {}
    for kind in ("local", "full", "full, beta frozen"):
        memory = build(make_memory, {"write_gradient": kind.split(",")[0]})
        if "frozen" in kind:
            score = memory.write_score.forward
            memory.write_score.forward = lambda *given, score=score: score(*given).detach()
        asked = features.clone().requires_grad_()
        reads, _ = memory.scan(memory.initial_state(2, CODE_WIDTH, features), asked, codes, shown())
        reads.square().sum().backward()
        values[kind], gradients[kind] = reads.detach(), asked.grad
        moved = memory.write_score.query.weight.grad
        assert (moved is None) == ("frozen" in kind)
    assert torch.equal(values["local"], values["full"])
    torch.testing.assert_close(gradients["local"], gradients["full, beta frozen"], rtol=0, atol=1e-12)
    assert (gradients["local"] - gradients["full"]).abs().amax() > 1e-3


@pytest.mark.parametrize(
    "options",
    [{"score": "dot"}, {"score": "additive"}, {"score": "multiplicative"}, {"controller": "gru"}],
    ids=_id,
)
def test_fresh_memory_already_names_what_it_was_told(options: dict[str, Any]) -> None:
    torch.manual_seed(7)
    memory = AdditiveMemory(features=64, code_width=5, **options)
    features = torch.randn(20, 5, 64)
    codes = torch.eye(5).expand(20, 5, 5)
    with torch.no_grad():
        state = memory.write(memory.initial_state(20, 5, features), features, codes, shown(20, 5))
        named = memory.read(state, features) @ memory.code_readout().T
    assert (named.argmax(-1) == torch.arange(5)).float().mean() > 0.85


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"score": "euclid"}, "score=euclid"),
        ({"query": "output"}, "query=output"),
        ({"controller": "rnn"}, "controller=rnn"),
        ({"initial_memory": "ones"}, "initial_memory=ones"),
        ({"write_gradient": "none"}, "write_gradient=none"),
        ({"strength": 0.0}, "strength=0.0"),
        ({"query": "controller"}, "shortcut=false"),
        ({"query": "controller", "shortcut": False}, "width 5 with rows of width 8"),
        ({"width": 7}, "width is 7"),
    ],
)
def test_unknown_options_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        AdditiveMemory(FEATURES, CODE_WIDTH, **{**BASE, **options})


def test_codes_wider_than_the_memory_was_built_for_are_refused(make_memory: Make) -> None:
    memory = build(make_memory, {})
    features, codes = draw(code_width=CODE_WIDTH + 1)
    with pytest.raises(ConfigError, match=f"width {CODE_WIDTH}.*{CODE_WIDTH + 1}"):
        memory.initial_state(1, CODE_WIDTH + 1, features)
    state = memory.initial_state(2, CODE_WIDTH, features)
    with pytest.raises(ConfigError, match=f"width {CODE_WIDTH}.*{CODE_WIDTH + 1}"):
        memory.step(state, features[:, 0], codes[:, 0], shown()[:, 0])
