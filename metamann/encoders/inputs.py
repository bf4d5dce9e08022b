"""What encoders take: images of one shape, or text."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from metamann.errors import ConfigError


def check_images(inputs: Any, channels: int, size: int) -> None:
    """Refuse text, and images of another shape than an encoder was built for.

    Args:
        inputs: `batch x items x channels x height x width`.
        channels: that the encoder takes.
        size: height and width that it takes, pixels.

    Raises:
        ConfigError: with what to set.
    """
    if not isinstance(inputs, Tensor):
        raise ConfigError("this encoder reads images, not sentences; set encoder=words, recurrent, spelling or minilm.")
    if tuple(inputs.shape[2:]) != (channels, size, size):
        shape = " x ".join(map(str, inputs.shape[2:]))
        raise ConfigError(
            f"images are {shape} (channels, height, width), but the encoder takes {channels} x {size} x {size}; set "
            "data.size, encoder.size and encoder.in_channels alike."
        )


def check_text(inputs: Any) -> None:
    """Refuse images.

    Raises:
        ConfigError: with what to set.
    """
    if isinstance(inputs, Tensor):
        raise ConfigError("this encoder reads sentences, not images; set encoder=conv or pixels.")
