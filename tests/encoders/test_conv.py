"""The convolutional encoder: sizes, and no image that sees another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metamann.encoders.conv import ConvEncoder


def draw(*leading: int, size: int = 20, channels: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*leading, channels, size, size), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("size", [16, 20, 28, 32])
@pytest.mark.parametrize("in_channels", [1, 3])
def test_every_image_becomes_one_vector(size: int, in_channels: int) -> None:
    encoder = ConvEncoder(size, channels=4, in_channels=in_channels)
    features = encoder(draw(2, 3, size=size, channels=in_channels))
    assert features.shape == (2, 3, encoder.features)
    assert features.dtype == torch.float32
    assert features.isfinite().all()


def test_a_narrow_first_layer_leaves_the_others_as_wide() -> None:
    narrow = [len(each) for each in ConvEncoder(28, channels=8, first_channels=3).parameters() if each.dim() > 1]
    assert narrow == [3, 8, 16, 16]
    assert ConvEncoder(28, channels=8, first_channels=3).features == ConvEncoder(28, channels=8).features


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_an_image_is_encoded_the_same_in_any_company(mode: str) -> None:
    """Bit for bit among as many others; batch statistics would show here, in training most of all."""
    encoder = ConvEncoder(20, channels=4).train(mode == "train")
    images, others = draw(2, 4), draw(2, 4, seed=1) // 2
    expected = encoder(images)
    for episode, item in [(0, 0), (0, 3), (1, 2)]:
        company = others.clone()
        company[episode, item] = images[episode, item]
        assert torch.equal(encoder(company)[episode, item], expected[episode, item])


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_an_image_alone_is_encoded_as_in_company(mode: str) -> None:
    encoder = ConvEncoder(20, channels=4).train(mode == "train")
    images = draw(2, 4)
    features = encoder(images)
    torch.testing.assert_close(encoder(images[1:, 2:3])[0, 0], features[1, 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder(images.flip(0, 1)), features.flip(0, 1), rtol=1e-4, atol=1e-5)


def test_images_differ_and_every_pixel_region_counts() -> None:
    encoder = ConvEncoder(28, channels=4)
    image = torch.zeros(1, 1, 1, 28, 28, dtype=torch.uint8)
    blank = encoder(image)
    for row in range(2, 28, 6):
        for column in range(2, 28, 6):
            dotted = image.clone()
            dotted[..., row : row + 3, column : column + 3] = 255
            assert not torch.allclose(encoder(dotted), blank, atol=1e-4), (row, column)


def test_channels_are_read_in_order() -> None:
    encoder = ConvEncoder(20, channels=4, in_channels=3)
    images = draw(1, 2, channels=3)
    assert not torch.allclose(encoder(images), encoder(images.flip(2)), atol=1e-4)


def test_dropout_is_for_training_only() -> None:
    encoder = ConvEncoder(20, channels=4, dropout=0.5)
    images = draw(1, 8)
    assert not torch.equal(encoder(images), encoder(images))
    encoder.eval()
    assert torch.equal(encoder(images), encoder(images))


def test_gradients_reach_every_parameter() -> None:
    encoder = ConvEncoder(20, channels=4)
    encoder(draw(2, 4)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_shifted_views_are_the_mean_over_the_image_and_its_four_diagonal_neighbours() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(20, channels=4, shifted_views=True).eval()
    images = draw(1, 2)
    images[..., 0, :] = images[..., -1, :] = images[..., :, 0] = images[..., :, -1] = 0  # nothing falls off the edge
    views = [images, *(images.roll((down, right), (-2, -1)) for down in (-1, 1) for right in (-1, 1))]
    single = ConvEncoder(20, channels=4).eval()
    single.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(encoder(images), torch.stack([single(view) for view in views]).mean(0))
    assert not torch.allclose(encoder(images), single(images))
    assert torch.equal(encoder.train()(images), single.train()(images))


def test_signed_features_are_those_that_the_last_layer_would_cut_off_at_zero() -> None:
    signed, cut = (ConvEncoder(20, channels=4, signed=signed).eval() for signed in (True, False))
    cut.load_state_dict(signed.state_dict())
    images = draw(2, 4)
    assert (signed(images) < 0).any()
    torch.testing.assert_close(signed(images).clamp_min(0), cut(images))
