"""Raw pixels as features."""

from __future__ import annotations

import pytest
import torch

from metamann.encoders.pixels import PixelEncoder


@pytest.mark.parametrize(("size", "channels"), [(20, 1), (28, 1), (8, 3)])
def test_features_are_the_pixels_from_0_to_1(size: int, channels: int) -> None:
    encoder = PixelEncoder(size, channels)
    images = torch.randint(0, 256, (2, 3, channels, size, size), dtype=torch.uint8)
    features = encoder(images)
    assert features.shape == (2, 3, encoder.features)
    assert encoder.features == channels * size * size
    assert features.dtype == torch.float32
    assert torch.equal((features * 255).round().to(torch.uint8).view_as(images), images)
    assert float(encoder(torch.full_like(images, 255)).max()) == 1


def test_nothing_is_learned() -> None:
    assert not list(PixelEncoder().parameters())
