"""Calibration of the novelty threshold: a search on held-out accuracy and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metamann.training.calibration import calibrate


@pytest.mark.parametrize(("learned", "best"), [(0.65, 0.60), (0.50, 0.58), (0.31, 0.31), (2.29, 0.64), (0.9, 0.06)])
def test_the_threshold_of_highest_accuracy_is_taken(learned: float, best: float) -> None:
    threshold = nn.Parameter(torch.tensor(learned))
    reached = calibrate(threshold, lambda: -abs(threshold.item() - best))
    assert threshold.item() == pytest.approx(best, abs=1e-6)
    assert reached == pytest.approx(0, abs=1e-6)


def test_what_was_learned_stays_where_nothing_is_better() -> None:
    threshold = nn.Parameter(torch.tensor(0.4321))
    assert calibrate(threshold, lambda: 0.9) == 0.9
    assert threshold.item() == pytest.approx(0.4321)


def test_calibrating_twice_changes_nothing() -> None:
    threshold = nn.Parameter(torch.tensor(0.53))
    for _ in range(2):
        calibrate(threshold, lambda: -abs(threshold.item() - 0.47))
        assert min(abs(threshold.item() - value) for value in (0.46, 0.48)) < 1e-6
