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


def test_of_margins_as_good_the_lowest_is_taken() -> None:
    """A plateau from -0.16 on, whose highest point, by less than noise, is elsewhere."""
    margin = torch.tensor(0.0)
    calibrate(margin, lambda: 0.9 - 2 * max(0.0, -0.16 - margin.item()) - 0.002 * abs(margin.item()))
    assert margin.item() == pytest.approx(-0.10, abs=1e-6)  # the lowest that is looked at
    calibrate(margin, lambda: 0.9 - 2 * max(0.0, -0.05 - margin.item()) - 0.002 * abs(margin.item()))
    assert margin.item() == pytest.approx(-0.04, abs=1e-6)
