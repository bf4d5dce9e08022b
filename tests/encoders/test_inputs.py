"""Encoders refuse what they were not built for, in one line."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from metamann.encoders.conv import ConvEncoder
from metamann.encoders.pixels import PixelEncoder
from metamann.encoders.recurrent import RecurrentEncoder
from metamann.encoders.spelling import SpellingEncoder
from metamann.encoders.words import WordEncoder
from metamann.episodes.text import Text
from metamann.errors import ConfigError

TEXT = Text(torch.zeros(1, 1, 2, dtype=torch.int64), ("word",))
IMAGE_ENCODERS = (lambda: ConvEncoder(16, channels=4), lambda: PixelEncoder(16))
TEXT_ENCODERS = (WordEncoder, SpellingEncoder, lambda: RecurrentEncoder(WordEncoder(), hidden=4))


@pytest.mark.parametrize("make", IMAGE_ENCODERS)
@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 20, 20), (1, 16, 20), (16, 16)])
def test_images_of_another_shape(make: type[nn.Module], shape: tuple[int, ...]) -> None:
    encoder = make()
    assert encoder(torch.zeros(1, 2, 1, 16, 16, dtype=torch.uint8)).shape[:2] == (1, 2)
    expected = f"images are {' x '.join(map(str, shape))} .*, but the encoder takes 1 x 16 x 16"
    with pytest.raises(ConfigError, match=expected):
        encoder(torch.zeros(1, 2, *shape, dtype=torch.uint8))


@pytest.mark.parametrize("make", IMAGE_ENCODERS)
def test_text_for_images(make: type[nn.Module]) -> None:
    with pytest.raises(ConfigError, match="reads images, not sentences; set encoder=words"):
        make()(TEXT)


@pytest.mark.parametrize("make", TEXT_ENCODERS)
def test_images_for_text(make: type[nn.Module]) -> None:
    with pytest.raises(ConfigError, match="reads sentences, not images; set encoder=conv"):
        make()(torch.zeros(1, 2, 1, 16, 16, dtype=torch.uint8))
