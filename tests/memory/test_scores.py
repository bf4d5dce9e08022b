"""Similarity scores against plain NumPy, and finite where rows and keys are zeros."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metamann.memory.scores import cosine, masked_softmax

EPSILONS: tuple[Literal["root", "added"], ...] = ("root", "added")


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


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
