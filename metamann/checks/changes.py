"""How much two answers differ, as a number and in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

AnyLearner = Callable[[Any], Tensor]  # a batch of episodes to log-probabilities

TOGETHER = 4  # episodes of a batch
ROUNDING = 1e-4  # of a probability: float32 summed in another order


def common(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both answers cut to the positions they share: the padding of sentences depends on the batch."""
    shape = [slice(min(sizes)) for sizes in zip(first.shape, second.shape, strict=True)]
    return first[tuple(shape)], second[tuple(shape)]


def largest_change(first: Tensor, second: Tensor) -> float:
    """Largest change of a probability."""
    change = float((first.exp() - second.exp()).abs().max()) if first.numel() else 0.0
    return change if np.isfinite(change) else float("inf")


def change_in_words(first: Tensor, second: Tensor) -> str:
    """The largest change, in words."""
    return in_words(largest_change(first, second))


def in_words(change: float) -> str:
    """A change of a probability, in words."""
    return "the same bits" if change == 0 else f"a probability changes by {change:.1e} at most"


def percent(values: Sequence[float]) -> str:
    """The mean of shares."""
    return f"{100 * float(np.nanmean(values)):.1f} %"
