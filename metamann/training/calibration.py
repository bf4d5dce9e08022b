"""Set what evaluation adds to a learned threshold of novelty, on classes that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

COARSE, FINE = 0.1, 0.02
# accuracies this close are the same: over thousands of items, the noise is as large
SAME = 0.001


def calibrate(margin: Tensor, accuracy: Callable[[], float]) -> None:
    """Set a margin, a difference of cosines, to where held-out accuracy is highest.

    Drawings of the classes that were trained on end up closer together than those of new classes ever are, so the
    cosine that a learner has come to expect of a known class does not fit new ones; and where every class of an
    episode is shown before it is asked for, nothing is learned of novelty at all.

    Args:
        margin: one number, a buffer of the learner; it is set to a multiple of 0.02 between -0.58 and 0.58. Of margins
            within 0.001 of the highest accuracy it is the lowest, the one that recognises more: a new class named
            right is luck in part, a known one is not.
        accuracy: of the learner on validation episodes, with the margin as it stands.
    """

    def accuracies(steps: Iterable[int]) -> dict[int, float]:
        """By margin, in units of `FINE`."""
        reached = {}
        for step in steps:
            margin.fill_(FINE * step)
            reached[step] = accuracy()
        return reached

    coarse = round(COARSE / FINE)
    reached = accuracies(range(-5 * coarse, 6 * coarse, coarse))
    around = max(reached, key=lambda step: reached[step])
    reached |= accuracies(range(around - coarse + 1, around + coarse))
    highest = max(reached.values())
    margin.fill_(FINE * min(step for step, score in reached.items() if score >= highest - SAME))
