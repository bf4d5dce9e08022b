"""Stacking: the factors are the minimum that the formula names."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metamann.learners.stacking import Stacking

SOURCES = 3


def stacking(precision: float = 1.0, statistics: int = 2) -> Stacking:
    return Stacking([0.0, 1.0, 0.5], precision, statistics).double()


def problem(examples: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    evidence = torch.randn(2, examples, SOURCES, generator=generator, dtype=torch.float64)
    positive = torch.rand(2, examples, generator=generator) < 0.3
    weights = torch.rand(2, examples, generator=generator, dtype=torch.float64)
    return evidence, positive, weights, torch.zeros(2, 2, dtype=torch.float64)


@settings(deadline=None)
@given(examples=st.integers(1, 40), precision=st.floats(0.5, 10), seed=st.integers(0, 99))
def test_the_penalised_loss_has_no_slope_at_the_factors(examples: int, precision: float, seed: int) -> None:
    fitted = stacking(precision)
    evidence, positive, weights, statistics = problem(examples, seed)
    factors = fitted(evidence, positive, weights, statistics).detach().requires_grad_()
    logits = (evidence @ factors.unsqueeze(-1)).squeeze(-1)
    signs = torch.where(positive, 1.0, -1.0)
    loss = (weights * torch.nn.functional.softplus(-signs * logits)).sum()
    loss = loss + precision / 2 * (factors - fitted.start.detach()).square().sum()
    (slope,) = torch.autograd.grad(loss, factors)
    assert slope.abs().max() < 1e-3


def test_without_examples_factors_are_the_expected_ones_of_the_statistics() -> None:
    fitted = stacking()
    torch.nn.init.normal_(fitted.of_statistics.weight)
    evidence, positive, weights, _ = problem(0)
    statistics = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    expected = fitted.start + statistics @ fitted.of_statistics.weight.T
    torch.testing.assert_close(fitted(evidence, positive, weights, statistics), expected)


def test_an_example_of_no_weight_changes_nothing() -> None:
    evidence, positive, weights, statistics = problem(10)
    none = torch.cat([weights[:, :6], torch.zeros(2, 4, dtype=torch.float64)], 1)
    found = stacking()(evidence, positive, none, statistics)
    expected = stacking()(evidence[:, :6], positive[:, :6], weights[:, :6], statistics)
    torch.testing.assert_close(found, expected)


def test_the_source_that_was_right_is_trusted_more_than_the_one_that_was_wrong() -> None:
    positive = torch.tensor([[True, False] * 20])
    right = torch.where(positive, 1.0, -1.0).double()
    evidence = torch.stack([torch.ones_like(right), right, -right], -1)
    factors = stacking(0.1)(evidence, positive, torch.ones_like(right), torch.zeros(1, 2, dtype=torch.float64))[0]
    assert factors[1] > 1.5
    assert factors[2] < 0
