"""Columns brought to mean 0 and deviation 1, by the rows that a run is trained on."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Scaling(nn.Module):
    """Standardise rows: `(row - mean) / scale`; both travel with the parameters, so that new rows meet the same.

    Rows stay as they are until `fit` is called.

    Args:
        features: width of a row.

    Examples:
        >>> scaling = Scaling(features=2)
        >>> scaling.fit(torch.tensor([[0.0, 5.0], [4.0, 5.0]]))
        >>> scaling(torch.tensor([4.0, 6.0]))
        tensor([1., 1.])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, rows: Tensor) -> None:
        """Take mean and standard deviation of every column, `rows x features`; a column of one value is not scaled."""
        exact = rows.double()
        deviation = exact.std(0, correction=0)
        varies = deviation > 1e-12 * exact.abs().amax(0)  # below it, rounding
        self.mean.copy_(exact.mean(0))
        self.scale.copy_(torch.where(varies, deviation, 1.0))

    def forward(self, rows: Tensor) -> Tensor:
        """Standardised rows, `... x features`."""
        return (rows - self.mean) / self.scale
