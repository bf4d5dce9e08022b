"""Set the threshold of novelty on classes that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

COARSE, FINE = 0.1, 0.02


@torch.no_grad()
def calibrate(threshold: nn.Parameter, accuracy: Callable[[], float]) -> float:
    """Move a learned threshold, a cosine, to where held-out accuracy is highest.

    Drawings of the classes that were trained on end up closer together than those of new classes ever are, so the
    cosine that a learner has come to expect of a known class does not fit new ones; and where every class of an
    episode is shown before it is asked for, nothing is learned of novelty at all.

    Args:
        threshold: one number, a parameter of the learner; it is changed.
        accuracy: of the learner on validation episodes, with the threshold as it stands.

    Returns:
        The accuracy that was reached. What was learned is kept unless a multiple of 0.02 between 0 and 1 is better.
    """
    best_value, best_accuracy = threshold.item(), accuracy()

    def search(values: Iterable[float]) -> None:
        nonlocal best_value, best_accuracy
        for value in values:
            threshold.fill_(value)
            reached = accuracy()
            if reached > best_accuracy:
                best_value, best_accuracy = threshold.item(), reached

    search(COARSE * step for step in range(11))
    around = round(best_value / FINE)
    search(FINE * step for step in range(around - 4, around + 5))
    threshold.fill_(best_value)
    return best_accuracy
