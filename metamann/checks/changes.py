"""The difference between two answers, as a number and in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

AnyLearner = Callable[[Any], Tensor]  # a batch of episodes to log-probabilities

BATCH_SIZE = 4  # episodes
ROUNDING = 1e-4  # of a probability, from float32 sums in another order


def common(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both answers at the positions they share, because the padding of sentences depends on the batch."""
    shape = [slice(min(sizes)) for sizes in zip(first.shape, second.shape, strict=True)]
    return first[tuple(shape)], second[tuple(shape)]


def largest_change(first: Tensor, second: Tensor) -> float:
    """The largest change of a probability; infinity if a change is not finite."""
    change = float((first.exp() - second.exp()).abs().max()) if first.numel() else 0.0
    return change if np.isfinite(change) else float("inf")


def change_in_words(first: Tensor, second: Tensor) -> str:
    """The largest change of a probability between two answers, in words."""
    return in_words(largest_change(first, second))


def in_words(change: float) -> str:
    """The largest change of a probability, in words."""
    return "the same bits" if change == 0 else f"a probability changes by {change:.1e} at most"


def percent(values: Sequence[float]) -> str:
    """The mean of shares in percent, without NaN."""
    return f"{100 * float(np.nanmean(values)):.1f} %"
