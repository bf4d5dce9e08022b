"""Jitter: a little of everything in training, nothing at all in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

from metamann.encoders.conv import ConvEncoder
from metamann.encoders.jitter import AffineJitter


def squares(items: int = 200, size: int = 28) -> Tensor:
    images = torch.zeros(items, 1, size, size)
    images[..., 10:18, 10:18] = 1
    return images


def centres(images: Tensor) -> Tensor:
    """Centre of the ink of each image, `items x (row, column)`."""
    places = torch.arange(images.shape[-1], dtype=images.dtype)
    total = images.sum((1, 2, 3))
    return torch.stack([(images.sum((1, 3)) @ places) / total, (images.sum((1, 2)) @ places) / total], -1)


def test_nothing_moves_in_evaluation_or_without_amount() -> None:
    images = squares(3)
    assert torch.equal(AffineJitter(1.0).eval()(images), images)
    assert torch.equal(AffineJitter(0.0).train()(images), images)


def test_every_image_moves_in_its_own_way_by_as_much_as_it_says() -> None:
    torch.manual_seed(0)
    moved = AffineJitter(1.0).train()(squares())
    assert moved.shape == (200, 1, 28, 28)
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert len({image.numpy().tobytes() for image in moved}) == 200
    shifts = centres(moved) - 13.5
    assert shifts.mean(0).abs().max() < 0.25
    assert (shifts.std(0) - 0.03 * 28).abs().max() < 0.25  # 3 % of the size
    assert 0.05 < float((moved.sum((1, 2, 3)) / 64).std()) < 0.3  # of the area, with two scales of 10 %


def test_twice_the_amount_moves_twice_as_far() -> None:
    spread = []
    for amount in (0.5, 1.0):
        torch.manual_seed(0)
        spread.append(float((centres(AffineJitter(amount).train()(squares())) - 13.5).std()))
    assert 1.7 < spread[1] / spread[0] < 2.3


def test_an_image_is_jittered_the_same_in_any_company() -> None:
    images, jitter = torch.rand(4, 1, 20, 20), AffineJitter(1.0).train()
    torch.manual_seed(0)
    expected = jitter(images)
    company = torch.rand(4, 1, 20, 20)
    company[2] = images[2]
    torch.manual_seed(0)
    assert torch.equal(jitter(company)[2], expected[2])


def test_the_encoder_jitters_in_training_only() -> None:
    encoder = ConvEncoder(20, channels=4, jitter=1.0)
    images = torch.randint(0, 256, (1, 3, 1, 20, 20), dtype=torch.uint8)
    assert not torch.equal(encoder(images), encoder(images))
    encoder.eval()
    assert torch.equal(encoder(images), encoder(images))
