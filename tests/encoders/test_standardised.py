"""Standardised features: statistics, gradients, and what an item sees of others."""

from __future__ import annotations

import pytest
import torch

from metamann.encoders.conv import ConvEncoder
from metamann.encoders.standardised import Standardised


def _items(items: int, seed: int = 0) -> torch.Tensor:
    return 3 + 2 * torch.randn(items, 4, generator=torch.Generator().manual_seed(seed))


def test_the_first_items_get_mean_zero_and_deviation_one() -> None:
    found = Standardised(4)(_items(1000))
    torch.testing.assert_close(found.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.var(0, unbiased=False), torch.ones(4), atol=1e-4, rtol=0)


def test_the_first_ten_batches_count_alike_and_later_ones_a_tenth() -> None:
    layer = Standardised(4)
    means = []
    for batch in range(12):
        items = _items(50, seed=batch)
        layer(items)
        means.append(items.mean(0))
    expected = torch.stack(means[:10]).mean(0)
    for newer in means[10:]:
        expected = 0.9 * expected + 0.1 * newer
    torch.testing.assert_close(layer.mean, expected)


def test_evaluation_changes_nothing_and_no_item_sees_another() -> None:
    layer = Standardised(4)
    layer(_items(50))
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    layer.eval()
    items = _items(5, seed=1)
    assert torch.equal(layer(items)[2:3], layer(items[2:3]))
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())


def test_gradients_go_to_the_items_alone_though_others_are_taken_in_before_them() -> None:
    layer, first, second = Standardised(4), _items(6).requires_grad_(), _items(6, seed=1).requires_grad_()
    one = layer(first)
    scale = (layer.variance + 1e-5).rsqrt().clone()
    two = layer(second)
    (one.sum() + two.sum()).backward()
    torch.testing.assert_close(first.grad, scale.expand(6, 4))


def test_no_items_are_nothing_to_learn_from() -> None:
    layer = Standardised(4)
    assert layer(torch.zeros(0, 4)).shape == (0, 4)
    assert layer.mean.isfinite().all()


@pytest.mark.parametrize("standardised", [False, True])
def test_a_fresh_encoder_tells_images_apart_once_standardised(standardised: bool) -> None:
    encoder = ConvEncoder(20, channels=4, standardised=standardised)
    images = torch.randint(0, 256, (1, 40, 1, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    features = torch.nn.functional.normalize(encoder(images)[0], dim=-1)
    alike = (features @ features.T)[~torch.eye(40, dtype=torch.bool)].mean()
    assert (alike < 0.1) == standardised
