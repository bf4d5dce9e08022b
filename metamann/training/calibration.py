"""Set what evaluation adds to a learned threshold of novelty, on classes that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

COARSE, FINE = 0.1, 0.02


def calibrate(margin: Tensor, accuracy: Callable[[], float]) -> None:
    """Set a margin, a difference of cosines, to where held-out accuracy is highest.

    Drawings of the classes that were trained on end up closer together than those of new classes ever are, so the
    cosine that a learner has come to expect of a known class does not fit new ones; and where every class of an
    episode is shown before it is asked for, nothing is learned of novelty at all.

    Args:
        margin: one number, a buffer of the learner; it is set to a multiple of 0.02 between -0.58 and 0.58, and to 0
            unless another is better.
        accuracy: of the learner on validation episodes, with the margin as it stands.
    """
    margin.zero_()
    best_value, best_accuracy = 0.0, accuracy()

    def search(values: Iterable[float]) -> None:
        nonlocal best_value, best_accuracy
        for value in values:
            margin.fill_(value)
            reached = accuracy()
            if reached > best_accuracy:
                best_value, best_accuracy = value, reached

    search(COARSE * step for step in range(-5, 6))
    around = round(best_value / FINE)
    search(FINE * step for step in range(around - 4, around + 5))
    margin.fill_(best_value)
