"""A small network over rows of features."""

from __future__ import annotations

from torch import Tensor, nn

from metamann.encoders.identity import check_rows
from metamann.encoders.scaling import Scaling
from metamann.errors import check_size


class MLPEncoder(nn.Module):
    """Two linear layers with a ReLU between them.

    Args:
        in_features: width of a row.
        hidden: width of the hidden layer.
        features: width of what comes out.
        standardise: bring every column to mean 0 and deviation 1 first, by the rows that training has.

    Raises:
        ConfigError: if a width is below 1.

    Examples:
        >>> import torch
        >>> encoder = MLPEncoder(in_features=5, hidden=8, features=4)
        >>> encoder(torch.ones(2, 3, 5)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(self, in_features: int, hidden: int = 128, features: int = 64, standardise: bool = False) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("hidden", hidden), ("features", features)):
            check_size(f"encoder.{name}", value)
        self.in_features, self.features = in_features, features
        self.scaling = Scaling(in_features) if standardise else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, features))

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode rows, `batch x items x width` to `batch x items x features`.

        Raises:
            ConfigError: for anything but rows of that width.
        """
        check_rows(inputs, self.in_features)
        encoded: Tensor = self.layers(self.scaling(inputs))
        return encoded.float()
