"""Similarity scores against plain NumPy, and finite where rows and keys are zeros."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.memory.scores import SCORES, cosine, make_score, masked_softmax

EPSILONS: tuple[Literal["root", "added"], ...] = ("root", "added")


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@settings(deadline=None, max_examples=30)
@given(sizes=st.tuples(*[st.integers(1, 4)] * 4), exponent=st.integers(-4, 3), epsilon=st.sampled_from(EPSILONS))
def test_cosine_is_the_quotient_of_product_and_norms(
    sizes: tuple[int, int, int, int], exponent: int, epsilon: Literal["root", "added"]
) -> None:
    """At every scale: small rows are where the two rules for epsilon differ."""
    batch, n_keys, n_rows, width = sizes
    keys, rows = draw(batch, n_keys, width), 10.0**exponent * draw(batch, n_rows, width, seed=1)
    result = cosine(keys, rows, epsilon)
    assert result.shape == (batch, n_keys, n_rows)
    for episode, k, m in np.ndindex(batch, n_keys, n_rows):
        key, row = keys[episode, k].numpy(), rows[episode, m].numpy()
        norms = np.linalg.norm(key) * np.linalg.norm(row)
        below = np.sqrt(norms**2 + 1e-6) if epsilon == "root" else norms + 1e-6
        assert float(result[episode, k, m]) == pytest.approx(key @ row / below, rel=1e-9, abs=1e-12)


def test_the_rules_differ_on_a_small_row() -> None:
    key = torch.tensor([[[1.0, 0.0]]])
    assert float(cosine(key, 1e-3 * key, "root")) == pytest.approx(1 / np.sqrt(2), rel=1e-4)
    assert float(cosine(key, 1e-3 * key, "added")) == pytest.approx(1, rel=1e-2)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("empty", ["keys", "rows", "both"])
def test_zeros_have_cosine_zero_and_finite_gradients(
    epsilon: Literal["root", "added"], dtype: torch.dtype, empty: str
) -> None:
    keys = draw(2, 3, 4, dtype=dtype) * (empty == "rows")
    rows = draw(2, 5, 4, seed=1, dtype=dtype) * (empty == "keys")
    keys.requires_grad_()
    rows.requires_grad_()
    result = cosine(keys, rows, epsilon)
    assert torch.equal(result, torch.zeros(2, 3, 5, dtype=dtype))
    (result * draw(2, 3, 5, seed=2, dtype=dtype)).sum().backward()
    for tensor in (keys, rows):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_gradients_of_cosine(epsilon: Literal["root", "added"]) -> None:
    keys, rows = draw(2, 2, 3).requires_grad_(), draw(2, 4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda k, m: cosine(k, m, epsilon), (keys, rows))


def test_gradients_of_cosine_at_zeros() -> None:
    """Only `root` is smooth there on the scale of a numerical gradient."""
    keys, rows = draw(1, 2, 3), draw(1, 4, 3, seed=1)
    keys[0, 0] = 0
    rows[0, 1] = 0
    keys.requires_grad_()
    rows.requires_grad_()
    assert torch.autograd.gradcheck(lambda k, m: cosine(k, m, "root"), (keys, rows), atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(mask=st.lists(st.booleans(), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_masked_softmax_is_the_softmax_of_what_is_left(mask: list[bool], seed: int) -> None:
    scores, kept = 5 * draw(len(mask), seed=seed), torch.tensor(mask)
    weights = masked_softmax(scores, kept)
    expected = torch.zeros_like(scores)
    if kept.any():
        expected[kept] = torch.softmax(scores[kept], 0)
    torch.testing.assert_close(weights, expected)
    assert (weights[~kept] == 0).all()


def test_masked_softmax_over_nothing_is_zeros_with_finite_gradients() -> None:
    scores = draw(2, 3).requires_grad_()
    weights = masked_softmax(scores, torch.zeros(2, 3, dtype=torch.bool))
    weights.sum().backward()
    assert torch.equal(weights, torch.zeros_like(weights))
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


QUERY_WIDTH, WIDTH = 3, 4


def drawn(name: str, strength: float | None = None) -> nn.Module:
    """A score with every parameter drawn; queries are narrower than rows where it can compare the two."""
    score = make_score(name, query_width(name), WIDTH, strength).double()
    with torch.no_grad():
        for number, parameter in enumerate(score.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=10 + number))
    return score


def query_width(name: str) -> int:
    return WIDTH if name in ("dot", "cosine") else QUERY_WIDTH


def reference(name: str, p: dict[str, np.ndarray], h: np.ndarray, m: np.ndarray) -> float:
    if name == "dot":
        return float(sum(h[k] * m[k] for k in range(WIDTH)))
    if name == "cosine":
        return float(sum(h[k] * m[k] for k in range(WIDTH)) / math.sqrt((h @ h) * (m @ m) + 1e-6))
    if name == "multiplicative":
        weight = p["query.weight"].T  # W_m
        return float(sum(h[i] * weight[i, k] * m[k] for i in range(QUERY_WIDTH) for k in range(WIDTH)))
    from_query = [p["query.weight"][unit] @ h for unit in range(WIDTH)]
    from_row = [p["row.weight"][unit] @ m for unit in range(WIDTH)]
    return float(sum(p["v"][unit] * np.tanh(from_query[unit] + from_row[unit]) for unit in range(WIDTH)))


@pytest.mark.parametrize("strength", [None, 2.5])
@pytest.mark.parametrize("name", SCORES)
def test_scores_are_their_formulas(name: str, strength: float | None) -> None:
    score = drawn(name, strength)
    parameters = {key.removeprefix("score."): tensor.numpy() for key, tensor in score.state_dict().items()}
    queries, rows = draw(2, 3, query_width(name)), draw(2, 5, WIDTH, seed=1)
    scores = score(queries, rows)
    assert scores.shape == (2, 3, 5)
    sharpness = 1.0 if strength is None else np.exp(parameters["log_strength"])
    for episode, q, i in np.ndindex(2, 3, 5):
        expected = sharpness * reference(name, parameters, queries[episode, q].numpy(), rows[episode, i].numpy())
        assert scores[episode, q, i].item() == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_scores_in_closed_form() -> None:
    h, m = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, -1.0], [0.0, 0.0]]])
    eye = torch.eye(2)
    additive, multiplicative = make_score("additive", 2, 2), make_score("multiplicative", 2, 2)
    additive.load_state_dict({"query.weight": eye, "row.weight": eye, "v": torch.tensor([2.0, 0.5])})
    multiplicative.load_state_dict({"query.weight": torch.tensor([[0.0, 1.0], [1.0, 0.0]])})
    of_query = 2 * math.tanh(1) + 0.5 * math.tanh(2)
    for score, expected in (
        (make_score("dot", 2, 2), [1.0, 0.0]),
        (additive, [2 * math.tanh(4) + 0.5 * math.tanh(1), of_query]),
        (multiplicative, [2.0 * 3 - 1, 0.0]),
        (make_score("cosine", 2, 2), [1 / math.sqrt(5 * 10), 0.0]),
    ):
        torch.testing.assert_close(score(h, m), torch.tensor([[expected]]))


@pytest.mark.parametrize("name", SCORES)
def test_strength_is_a_learned_factor_that_starts_where_asked(name: str) -> None:
    queries, rows = draw(1, 2, query_width(name)), draw(1, 3, WIDTH, seed=1)
    sharp = make_score(name, query_width(name), WIDTH, strength=7.0).double()
    with torch.no_grad():
        bare = make_score(name, query_width(name), WIDTH).double()
        bare.load_state_dict({key[6:]: tensor for key, tensor in sharp.state_dict().items() if key != "log_strength"})
    torch.testing.assert_close(sharp(queries, rows), 7 * bare(queries, rows))
    sharp(queries, rows).square().sum().backward()
    assert float(sharp.log_strength.grad) != 0
    assert not any("strength" in key for key in bare.state_dict())


@pytest.mark.parametrize("name", SCORES)
def test_gradients_of_scores(name: str) -> None:
    score = drawn(name, strength=2.0)
    names = [key for key, _ in score.named_parameters()]

    def scores(queries: Tensor, rows: Tensor, *parameters: Tensor) -> Any:
        return torch.func.functional_call(score, dict(zip(names, parameters, strict=True)), (queries, rows))

    inputs = [draw(2, 2, query_width(name)), draw(2, 3, WIDTH, seed=1), *score.parameters()]
    assert torch.autograd.gradcheck(scores, [tensor.detach().clone().requires_grad_() for tensor in inputs])


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_of_zeros_are_zero_with_finite_gradients(name: str, dtype: torch.dtype) -> None:
    score = drawn(name, strength=2.0).to(dtype)
    queries = torch.zeros(1, 2, query_width(name), dtype=dtype, requires_grad=True)
    rows = torch.zeros(1, 3, WIDTH, dtype=dtype, requires_grad=True)
    scores = score(queries, rows)
    assert not scores.any()
    scores.sum().backward()
    for tensor in (queries, rows, *score.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("name", SCORES)
def test_rows_and_queries_are_scored_each_by_itself(name: str) -> None:
    score = drawn(name)
    queries, rows = draw(2, 3, query_width(name)), draw(2, 5, WIDTH, seed=1)
    scores, order = score(queries, rows), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(score(queries, rows[:, order]), scores[..., order])
    torch.testing.assert_close(score(queries[:, 1:2], rows[:, 2:3]), scores[:, 1:2, 2:3])


@pytest.mark.parametrize(
    ("name", "widths", "strength", "message"),
    [
        ("euclid", (4, 4), None, r"score=euclid.*dot, additive, multiplicative or cosine"),
        ("dot", (3, 4), None, r"score=dot.*width 3.*width 4.*multiplicative"),
        ("cosine", (3, 4), None, r"score=cosine.*width 3.*width 4.*multiplicative"),
        ("dot", (4, 4), 0.0, r"strength=0\.0 must be above 0"),
        ("dot", (4, 4), math.inf, r"strength=inf"),
    ],
)
def test_bad_scores_are_refused(name: str, widths: tuple[int, int], strength: float | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_score(name, *widths, strength)
