"""Raw pixels as features, as in the MANN paper."""

from __future__ import annotations

from torch import Tensor, nn

from metamann.encoders.inputs import check_images
from metamann.errors import check_size


class PixelEncoder(nn.Module):
    """Flatten images to features in [0, 1]; nothing is learned.

    Args:
        size: height and width of the images, pixels.
        in_channels: of the images.

    Raises:
        ConfigError: if a size is below 1.

    Examples:
        >>> import torch
        >>> encoder = PixelEncoder(size=4)
        >>> encoder(torch.zeros(2, 3, 1, 4, 4, dtype=torch.uint8)).shape
        torch.Size([2, 3, 16])
    """

    def __init__(self, size: int = 20, in_channels: int = 1) -> None:
        super().__init__()
        check_size("encoder.size", size)
        check_size("encoder.in_channels", in_channels)
        self.size, self.in_channels = size, in_channels
        self.features = in_channels * size * size

    def forward(self, inputs: Tensor) -> Tensor:
        """Flatten uint8 images, `batch x items x channels x height x width` to `batch x items x features`.

        Raises:
            ConfigError: for images of another shape.
        """
        check_images(inputs, self.in_channels, self.size)
        return inputs.flatten(2).float() / 255
