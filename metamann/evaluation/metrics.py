"""Scores of episodes, and their means with 95 % intervals over episodes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.episode import PADDING, Episode, Stream, instances
from metamann.hardware import autocast
from metamann.learners.learner import Learner

MOST_INSTANCES = 10
NORMAL_975 = 1.959964
IN_BITS = ("bits_per_sequence",)  # all other scores are shares, from 0 to 1


class Interval(NamedTuple):
    """A mean over episodes and its 95 % interval.

    Attributes:
        mean: over episodes.
        low: lower end.
        high: upper end.

    Examples:
        >>> interval = mean_interval(np.array([0.6, 0.8, 0.7, 0.9]))
        >>> f"{interval.mean:.2f}, {interval.low:.2f} to {interval.high:.2f}"
        '0.75, 0.62 to 0.88'
    """

    mean: float
    low: float
    high: float


def mean_interval(scores: np.ndarray, lowest: float = 0.0, highest: float = 1.0) -> Interval:
    """Mean and normal 95 % interval, mean +- 1.96 standard errors, clipped to the range of the score.

    Args:
        scores: `episodes`; NaN where an episode has no such score.
        lowest: lower bound of the score.
        highest: upper bound of the score.
    """
    valid = scores[~np.isnan(scores)]
    if len(valid) == 0:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(valid.mean())
    half = NORMAL_975 * float(valid.std(ddof=1)) / math.sqrt(len(valid)) if len(valid) > 1 else math.inf
    return Interval(mean, max(lowest, mean - half), min(highest, mean + half))


def intervals(scores: Mapping[str, np.ndarray]) -> dict[str, Interval]:
    """`mean_interval` of each score; shares are at most 1, bits are not bounded."""
    return {
        name: mean_interval(values, highest=math.inf if name in IN_BITS else 1.0) for name, values in scores.items()
    }


def in_percent(metrics: Mapping[str, Interval]) -> dict[str, Interval]:
    """Metrics for reports: shares in percent; a score in bits keeps its value and gets the unit in its name."""
    return {
        f"{name}, in bits" if name in IN_BITS else name: interval if name in IN_BITS else _percent(interval)
        for name, interval in metrics.items()
    }


@torch.no_grad()
def score_episodes(
    learner: Learner[Any], batches: Iterable[Episode | Stream], device: torch.device, precision: str
) -> dict[str, np.ndarray]:
    """Scores of each episode: `accuracy`, and for streams `accuracy/instance_K` for K from 1 to 10.

    Args:
        learner: set to evaluation mode; its parameters do not change.
        batches: episodes to answer.
        device: to compute on.
        precision: `fp32` or `bf16`.

    Returns:
        Arrays over episodes, NaN where an episode has no such instance.
    """
    learner.to(device).eval()
    scores: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        batch = batch.to(device)
        with autocast(device, precision):
            right = _answers(learner, batch) == batch.targets
        masks = {"accuracy": batch.targets != PADDING}
        if isinstance(batch, Stream):
            instance = instances(batch.labels)
            for k in range(1, MOST_INSTANCES + 1):
                masks[f"accuracy/instance_{k}"] = instance == k
        for name, mask in masks.items():
            scores.setdefault(name, []).append(_mean_where(right, mask).cpu().numpy())
    joined = {name: np.concatenate(batch_scores) for name, batch_scores in scores.items()}
    return {name: values for name, values in joined.items() if not np.isnan(values).all()}


def _answers(learner: Learner[Any], batch: Episode | Stream) -> Tensor:
    """The predicted label of each target; for a stream it is the most probable class."""
    if isinstance(batch, Stream):
        log_probs: Tensor = learner(batch)
        return log_probs.argmax(-1)
    return learner.answer(learner.adapt(batch.support, batch.classes), batch.query.inputs)


def _percent(interval: Interval) -> Interval:
    return Interval(*(100 * value for value in interval))


def _mean_where(right: Tensor, mask: Tensor) -> Tensor:
    """Share of right answers among the masked positions of each episode; NaN where there are none."""
    return (right & mask).sum(1) / mask.sum(1)
