"""Columns brought to mean 0 and deviation 1, by the rows of the training classes alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metamann.errors import DataError


def scaling_of(rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every column, `width`, float32; a column of one value has the deviation 1.

    Raises:
        DataError: if there are no rows.
    """
    if not len(rows):
        raise DataError(
            "there is no training class whose mean and deviation columns could be brought to; set "
            "data.standardise=false, or give data.shares a share for training."
        )
    exact = rows.astype(np.float64)
    deviation = exact.std(0)
    scale = np.where(deviation > 1e-12 * np.abs(exact).max(0), deviation, 1.0)  # below it, rounding
    return torch.from_numpy(exact.mean(0)).float(), torch.from_numpy(scale).float()
