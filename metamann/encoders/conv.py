"""Convolutional encoder of small drawings, without batch statistics: an image is encoded the same in any company."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metamann.encoders.jitter import AffineJitter
from metamann.errors import ConfigError

SMALLEST = 16


class ConvEncoder(nn.Module):
    """Four convolutions with group normalisation, 28 x 28 or 20 x 20 pixels to one feature vector.

    Group normalisation with one group stands where the field's four-layer network has batch normalisation: with
    statistics of the batch, the queries of an episode would see one another, and other episodes.

    Args:
        size: height and width of the images, pixels, at least 16.
        channels: of the first two layers; the last two have twice as many.
        in_channels: of the images.
        dropout: share of features dropped in training.
        jitter: amount of `AffineJitter` in training.

    Raises:
        ConfigError: if the images are too small.
    """

    def __init__(
        self, size: int = 28, channels: int = 64, in_channels: int = 1, dropout: float = 0.0, jitter: float = 0.0
    ) -> None:
        super().__init__()
        if size < SMALLEST:
            raise ConfigError(
                f"images of {size} pixels are too small for ConvEncoder; set data.size to {SMALLEST} or more."
            )
        self.jitter = AffineJitter(jitter)
        wide = 2 * channels
        self.layers = nn.Sequential(
            # stride 2 at once: half the time is spent on the largest maps otherwise
            nn.Conv2d(in_channels, channels, 5, stride=2, padding=2),
            *_normalised(channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.MaxPool2d(2),
            *_normalised(channels),
            nn.Conv2d(channels, wide, 3, padding=1),
            nn.MaxPool2d(2, ceil_mode=True),
            *_normalised(wide),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.MaxPool2d(2),
            *_normalised(wide),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        with torch.no_grad():
            self.features = self.layers(torch.zeros(1, in_channels, size, size)).shape[1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode uint8 images, `batch x items x channels x height x width` to `batch x items x features`."""
        images = self.jitter(inputs.flatten(0, 1).float() / 255)
        features: Tensor = self.layers(images.to(memory_format=torch.channels_last))
        return features.float().view(*inputs.shape[:2], self.features)


def _normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(1, channels), nn.ReLU()
