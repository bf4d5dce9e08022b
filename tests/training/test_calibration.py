"""Calibration of the novelty margin: a search on held-out accuracy and nothing else."""

from __future__ import annotations

import pytest
import torch

from metamann.training.calibration import calibrate


@pytest.mark.parametrize("best", [0.0, 0.08, -0.34, 0.5, -0.58])
@pytest.mark.parametrize("before", [0.0, 0.3])
def test_the_margin_of_highest_accuracy_is_taken_whatever_it_was_before(before: float, best: float) -> None:
    margin = torch.tensor(before)
    calibrate(margin, lambda: -abs(margin.item() - best))
    assert margin.item() == pytest.approx(best, abs=1e-6)


def test_no_margin_where_none_is_better() -> None:
    margin = torch.tensor(0.3)
    calibrate(margin, lambda: 0.9)
    assert margin.item() == 0
