"""Convolutional encoder of small drawings without batch statistics: images are encoded independently."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.encoders.inputs import check_images
from metamann.encoders.jitter import AffineJitter
from metamann.errors import ConfigError, check_number, check_size

SMALLEST = 16


class ConvEncoder(nn.Module):
    """Four convolutions with group normalisation, 28 x 28 or 20 x 20 pixels to one feature vector.

    Group normalisation with one group stands where the field's four-layer network has batch normalisation: with
    statistics of the batch, the queries of an episode would see one another, and other episodes.

    Args:
        size: height and width of the images, pixels, at least 16.
        channels: of the first two layers; the last two have twice as many.
        first_channels: of the first layer alone, if it is to have fewer: the second, which reads it on the largest
            maps, takes most of the time.
        in_channels: of the images.
        dropout: share of features dropped in training.
        jitter: amount of `AffineJitter` in training.
        shifted_views: in evaluation, average the features of each image over itself and its copies shifted by one
            pixel along the diagonals. Strides make features depend on where exactly a drawing stands; it costs five
            times the time, and no training.
        signed: leave out the ReLU behind the last layer, so that features compared by cosine, as keys are, may point
            anywhere and not only into one corner.

    Raises:
        ConfigError: if the images are too small, or a number is out of its range.

    Examples:
        >>> encoder = ConvEncoder(size=20, channels=8)
        >>> encoder(torch.zeros(2, 3, 1, 20, 20, dtype=torch.uint8)).shape  # two episodes of three images
        torch.Size([2, 3, 16])
    """

    def __init__(
        self,
        size: int = 28,
        channels: int = 64,
        in_channels: int = 1,
        dropout: float = 0.0,
        jitter: float = 0.0,
        shifted_views: bool = False,
        signed: bool = False,
        first_channels: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("size", size), ("channels", channels), ("in_channels", in_channels)):
            check_size(f"encoder.{name}", value)
        check_size("encoder.first_channels", first_channels, optional=True)
        check_number("encoder.dropout", dropout, least=0, most=1)
        if size < SMALLEST:
            raise ConfigError(
                f"images of {size} pixels are too small for ConvEncoder; set data.size to {SMALLEST} or more."
            )
        self.jitter = AffineJitter(jitter)
        self.in_channels, self.size, self.shifted_views = in_channels, size, shifted_views
        first, wide = channels if first_channels is None else first_channels, 2 * channels
        self.layers = nn.Sequential(
            # stride 2 at once: half the time is spent on the largest maps otherwise
            nn.Conv2d(in_channels, first, 5, stride=2, padding=2),
            *_normalised(first),
            nn.Conv2d(first, channels, 3, padding=1),
            nn.MaxPool2d(2),
            *_normalised(channels),
            nn.Conv2d(channels, wide, 3, padding=1),
            nn.MaxPool2d(2, ceil_mode=True),
            *_normalised(wide),
            nn.Conv2d(wide, wide, 3, padding=1),
            nn.MaxPool2d(2),
            *_normalised(wide)[: 1 if signed else 2],
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        with torch.no_grad():
            self.features = self.layers(torch.zeros(1, in_channels, size, size)).shape[1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode uint8 images, `batch x items x channels x height x width` to `batch x items x features`.

        Raises:
            ConfigError: for images of another shape.
        """
        check_images(inputs, self.in_channels, self.size)
        images = self.jitter(inputs.flatten(0, 1).float() / 255)
        views = [images, *_shifted(images)] if self.shifted_views and not self.training else [images]
        features = [self.layers(view.to(memory_format=torch.channels_last)).float() for view in views]
        return torch.stack(features).mean(0).view(*inputs.shape[:2], self.features)


def _shifted(images: Tensor) -> list[Tensor]:
    """Images shifted by one pixel along each diagonal, zeros moving in."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (1, 1, 1, 1))
    return [padded[..., down : down + height, right : right + width] for down in (0, 2) for right in (0, 2)]


def _normalised(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(1, channels), nn.ReLU()
