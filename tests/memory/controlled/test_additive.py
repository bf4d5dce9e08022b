"""Additive memory against formulas written down a second time, in loops over plain NumPy arrays."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from contract import (
    CODE_WIDTH,
    Arrays,
    Make,
    after_writing,
    assert_step_equals,
    build,
    full_mask,
    padded,
    parameter_arrays,
    random_sequence,
    reference_controller,
    reference_item,
    softmax,
)
from dialects import BARE, BASE, DIALECTS, Options, option_id
from torch import Tensor

from metamann.memory.scores import SCORES

STEPS = 6


def reference_score(p: Arrays, options: Options, query: np.ndarray, row: np.ndarray) -> float:
    name = "score." if options["strength"] is None else "score.score."
    if options["score"] in ("dot", "cosine"):
        key = p["query.weight"] @ query if options["query"] == "input" else query
        score = key @ row
        if options["score"] == "cosine":
            score = score / np.sqrt((key @ key) * (row @ row) + 1e-6)
    elif options["score"] == "multiplicative":
        score = query @ p[name + "query.weight"].T @ row
    else:
        score = p[name + "v"] @ np.tanh(p[name + "query.weight"] @ query + p[name + "row.weight"] @ row)
    return float(score if options["strength"] is None else np.exp(p["score.log_strength"]) * score)


def reference_step(
    p: Arrays, options: Options, state: Arrays, x: np.ndarray, code: np.ndarray
) -> tuple[np.ndarray, Arrays]:
    """One episode, one step: the output and the next state."""
    code = padded(code)
    item = reference_item(p, x)

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


@pytest.mark.parametrize("code_width", [CODE_WIDTH, CODE_WIDTH - 1])
@pytest.mark.parametrize("options", DIALECTS["additive"], ids=option_id)
def test_step_equals_the_formulas(make_memory: Make, options: Options, code_width: int) -> None:
    memory = build(make_memory, "additive", options)
    features, codes = random_sequence(STEPS, code_width=code_width)
    reference = partial(reference_step, parameter_arrays(memory), {**BASE["additive"], **options})
    assert_step_equals(reference, memory, memory.initial_state(2, code_width, features), features, codes)


def test_narrow_codes_are_padded(make_memory: Make) -> None:
    memory = build(make_memory, "additive", {})
    features, codes = random_sequence(STEPS)
    codes[..., -1] = 0
    state = memory.initial_state(2, CODE_WIDTH - 1, features)
    reads, final = memory.scan(state, features, codes[..., :-1], full_mask(features))
    expected, expected_final = memory.scan(state, features, codes, full_mask(features))
    assert torch.equal(reads, expected)
    assert all(torch.equal(one, other) for one, other in zip(final, expected_final, strict=True))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("shortcut", [True, False])
def test_rows_that_start_as_zeros_stay_equal(make_memory: Make, score: str, shortcut: bool) -> None:
    """Equal scores, equal shares of what is written, whatever was learned."""
    spread = {}
    for initial in ("zeros", "random", "learned"):
        memory = build(make_memory, "additive", {"score": score, "shortcut": shortcut, "initial_memory": initial})
        features, codes = random_sequence(15)
        rows = memory.initial_state(2, CODE_WIDTH, features).memory
        final = after_writing(memory, features, codes).memory.detach()
        assert (final - rows).abs().amax() > 1
        spread[initial] = float((final - final[:, :1]).abs().amax())
    assert spread["zeros"] < 1e-12
    assert min(spread["random"], spread["learned"]) > 1e-2


@pytest.mark.parametrize("options", [{}, BARE], ids=["shortcut", "bare"])
def test_write_weights_distribute_the_whole_of_gamma(make_memory: Make, options: Options) -> None:
    """The weights of a write sum to 1, and gamma is within (-1, 1): the sum of all rows moves by less than 1 a step."""
    memory = build(make_memory, "additive", options)
    features, codes = random_sequence(STEPS)
    state = memory.initial_state(2, CODE_WIDTH, features)
    for t in range(STEPS):
        _, after = memory.step(state, features[:, t], codes[:, t], full_mask(features)[:, t])
        moved = (after.memory - state.memory).detach()
        gamma = moved.sum(1, keepdim=True)
        assert gamma.abs().amax() < 1
        shares = (moved / gamma).mean(-1, keepdim=True)
        torch.testing.assert_close(moved, shares * gamma)
        assert (shares > 0).all()
        state = after


@pytest.mark.parametrize("initial", ["learned", "random", "zeros"])
def test_every_episode_starts_from_the_same_rows(make_memory: Make, initial: str) -> None:
    memory = build(make_memory, "additive", {"initial_memory": initial})
    features, codes = random_sequence(STEPS)
    fresh = memory.initial_state(2, CODE_WIDTH, features).memory
    after_writing(memory, features, codes)
    assert torch.equal(memory.initial_state(1, CODE_WIDTH, features).memory[0], fresh[1])
    assert fresh.any() == (initial != "zeros")
    assert ("rows" in dict(memory.named_parameters())) == (initial == "learned")
    assert "rows" in memory.state_dict()


def test_learned_rows_have_gradients(make_memory: Make) -> None:
    memory = build(make_memory, "additive", {"score": "multiplicative", "shortcut": False})
    features, codes = random_sequence(STEPS)
    reads, _ = memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, full_mask(features))
    reads.square().sum().backward()
    assert memory.rows.grad is not None
    assert (memory.rows.grad.abs().sum(1) > 0).all()


def test_dot_score_of_projected_items_is_the_multiplicative_score(make_memory: Make) -> None:
    features, codes = random_sequence(STEPS)
    reads = []
    weights: dict[str, Tensor] = {}
    for score, name in (("dot", "query.weight"), ("multiplicative", "score.query.weight")):
        memory = build(make_memory, "additive", {"score": score})
        weights = weights or memory.state_dict()
        own = {name if key == "query.weight" else key: tensor for key, tensor in weights.items()}
        memory.load_state_dict(own)
        reads.append(
            memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, full_mask(features))[0]
        )
    torch.testing.assert_close(*reads, rtol=0, atol=1e-12)


def test_local_write_gradient_stops_at_what_beta_is_computed_from(make_memory: Make) -> None:
    """With the weights of a write given, the rest of the gradient is that of the full formulas."""
    features, codes = random_sequence(STEPS)
    gradients, values = {}, {}
    for kind in ("local", "full", "full, beta frozen"):
        memory = build(make_memory, "additive", {"write_gradient": kind.split(",")[0]})
        if "frozen" in kind:
            score = memory.write_score.forward
            memory.write_score.forward = lambda *args, score=score: score(*args).detach()
        inputs = features.clone().requires_grad_()
        reads, _ = memory.scan(memory.initial_state(2, CODE_WIDTH, features), inputs, codes, full_mask(features))
        reads.square().sum().backward()
        values[kind], gradients[kind] = reads.detach(), inputs.grad
        moved = memory.write_score.query.weight.grad
        assert (moved is None) == ("frozen" in kind)
    assert torch.equal(values["local"], values["full"])
    torch.testing.assert_close(gradients["local"], gradients["full, beta frozen"], rtol=0, atol=1e-12)
    assert (gradients["local"] - gradients["full"]).abs().amax() > 1e-3
