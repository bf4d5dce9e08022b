"""An encoder of time series."""

from __future__ import annotations

from torch import Tensor, nn

from metamann.errors import ConfigError, check_size


class SeriesEncoder(nn.Module):
    """Two convolutions along time, then averages over four parts of the series.

    Args:
        channels: of a series.
        steps: of a series.
        width: channels of the first layer; the second has twice as many.

    Attributes:
        features: width of what comes out; memories and learners are built for it.
    """

    def __init__(self, channels: int, steps: int, width: int = 16) -> None:
        super().__init__()
        for name, value in (("channels", channels), ("steps", steps), ("width", width)):
            check_size(f"encoder.{name}", value)
        self.channels, self.steps, self.features = channels, steps, 8 * width
        self.layers = nn.Sequential(
            nn.Conv1d(channels, width, 5, padding=2), nn.GroupNorm(1, width), nn.ReLU(),
            nn.Conv1d(width, 2 * width, 5, padding=2), nn.GroupNorm(1, 2 * width), nn.ReLU(),
            nn.AdaptiveAvgPool1d(4), nn.Flatten(),
        )  # fmt: skip

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode series, `batch x items x channels x steps` to `batch x items x features`."""
        if tuple(inputs.shape[2:]) != (self.channels, self.steps):
            raise ConfigError(
                f"series of shape {tuple(inputs.shape[2:])} are not read; give {self.channels} x {self.steps} numbers."
            )
        return self.layers(inputs.flatten(0, 1)).float().view(*inputs.shape[:2], self.features)
