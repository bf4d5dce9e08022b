"""Calibration of the margin that evaluation adds to a learned novelty threshold, on held-out classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

COARSE, FINE = 0.1, 0.02
# differences of accuracy up to this are noise over thousands of items
TOLERANCE = 0.001


def calibrate(margin: Tensor, accuracy: Callable[[], float]) -> None:
    """Set a margin, a difference of cosines, to the value with the highest held-out accuracy.

    After training, items of the training classes are closer together than items of new classes, so the cosine that the
    learner expects of a known class is too high for new ones. If every class of an episode is in the support before it
    is queried, training gives no information on novelty at all.

    Args:
        margin: one number, a buffer of the learner; it is set to a multiple of 0.02 between -0.58 and 0.58. If several
            margins are within 0.001 of the highest accuracy, the lowest is chosen, which recognises more items as
            known: a correct label for a new class is partly chance, one for a known class is not.
        accuracy: computes the accuracy of the learner on validation episodes with the current margin.
    """

    def accuracies(steps: Iterable[int]) -> dict[int, float]:
        """Accuracy by margin, in units of `FINE`."""
        scores = {}
        for step in steps:
            margin.fill_(FINE * step)
            scores[step] = accuracy()
        return scores

    coarse = round(COARSE / FINE)
    scores = accuracies(range(-5 * coarse, 6 * coarse, coarse))
    center = max(scores, key=lambda step: scores[step])
    scores |= accuracies(range(center - coarse + 1, center + coarse))
    highest = max(scores.values())
    margin.fill_(FINE * min(step for step, score in scores.items() if score >= highest - TOLERANCE))
