"""Calibration of scores: one temperature, fitted by maximum likelihood on validation episodes [G17].

Dividing log-probabilities by a temperature changes the confidence of an answer, never the answer itself.

References:
    [G17] Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.episodes.episode import PADDING, Episode, Stream
from metamann.errors import DataError
from metamann.learners.learner import Learner

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
HALVINGS = 60


def calibrate_items(learner: Learner[Any], batches: Iterable[Episode | Stream], episodes: int) -> dict[str, float]:
    """Fit the temperature of a learner of items; see `fit`.

    Args:
        learner: in evaluation mode; it is not changed.
        batches: of validation episodes, on the learner's device.
        episodes: number of episodes in all batches.

    Raises:
        DataError: if there is no query.
    """
    rows, targets = [], []
    with torch.no_grad():
        for batch in batches:
            mask = batch.targets != PADDING
            rows.append(learner(batch)[mask].double().cpu())
            targets.append(batch.targets[mask].cpu())
    if not sum(map(len, targets)):
        raise DataError("there is no validation query to calibrate on; raise data.shares of val.")
    widest = max(row.shape[1] for row in rows)
    padded = torch.cat([F.pad(row, (0, widest - row.shape[1]), value=-torch.inf) for row in rows])
    return fit(padded, torch.cat(targets), episodes)


def calibrate_entities(scores: Tensor, right: Tensor, episodes: int) -> dict[str, float]:
    """Fit the temperature of the scores of entities, applied to their log odds.

    Args:
        scores: `entities`, of the predicted entities of validation episodes.
        right: `entities`, whether the entity is correct.
        episodes: number of these episodes.

    Raises:
        DataError: if no entity was predicted.

    Examples:
        >>> scores, right = torch.full((100,), 0.9), torch.arange(100) < 70  # 90 % confident, 70 % right
        >>> fitted = calibrate_entities(scores, right, episodes=10)
        >>> round(fitted["error_before"], 2), round(fitted["error_after"], 2)
        (0.2, 0.0)
    """
    if not len(scores):
        raise DataError("no entity was found in the validation episodes, so scores cannot be calibrated.")
    odds = scores.double().clamp(1e-9, 1 - 1e-9)
    return fit(torch.stack([torch.log1p(-odds), odds.log()], -1), right.long(), episodes, column=1)


def fit(log_probs: Tensor, targets: Tensor, episodes: int, column: int | None = None) -> dict[str, float]:
    """The temperature of the highest likelihood, or 1 if it does not reduce the calibration error.

    Args:
        log_probs: `answers x classes`, minus infinity for classes that an episode does not have.
        targets: `answers`.
        episodes: number of episodes that the answers belong to.
        column: class whose probability is the score; None takes the highest probability of each answer.

    Returns:
        `temperature`, the divisor of log-probabilities or log odds; `error_before` and `error_after`, the expected
        calibration error with temperature 1 and with the fitted one, which is never larger; and `episodes`.
    """

    def loss(inverse: float) -> float:
        return float(F.nll_loss((log_probs * inverse).log_softmax(-1), targets))

    def error(temperature: float) -> float:
        probabilities = (log_probs / temperature).softmax(-1)
        if column is not None:
            return expected_calibration_error(probabilities[:, column], targets == column)
        highest, chosen = probabilities.max(-1)
        return expected_calibration_error(highest, chosen == targets)

    best = 1 / _lowest(loss, 1 / HOTTEST, 1 / COLDEST)
    before, after = error(1.0), error(best)
    temperature = best if after < before else 1.0
    errors = {"error_before": before, "error_after": min(before, after)}
    return {"temperature": temperature, **errors, "episodes": episodes}


def expected_calibration_error(scores: Tensor, right: Tensor) -> float:
    """Mean distance between score and share of right answers over bins of scores, weighted by the bins' sizes [G17].

    Args:
        scores: `answers`, between 0 and 1.
        right: `answers`.
    """
    bins = (scores * BINS).long().clamp(0, BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, scores.double() - right.double())
    return float(gaps.abs().sum() / max(len(scores), 1))


def _lowest(value: Callable[[float], float], low: float, high: float) -> float:
    """The minimum of a convex function; the negative log-likelihood is convex in the inverse of the temperature."""
    for _ in range(HALVINGS):
        third = (high - low) / 3
        if value(low + third) <= value(high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2
