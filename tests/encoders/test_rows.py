"""Encoders of rows of features."""

from __future__ import annotations

import pytest
import torch

from metamann.encoders.identity import IdentityEncoder
from metamann.encoders.mlp import MLPEncoder
from metamann.errors import ConfigError


def test_rows_are_handed_on_as_they_are() -> None:
    rows = torch.randn(2, 3, 5)
    assert IdentityEncoder(5)(rows) is rows


def test_two_layers_are_what_they_say() -> None:
    torch.manual_seed(0)
    encoder, rows = MLPEncoder(5, 7, 4), torch.randn(2, 3, 5)
    first, second = encoder.layers[0], encoder.layers[2]
    expected = (rows @ first.weight.T + first.bias).relu() @ second.weight.T + second.bias
    torch.testing.assert_close(encoder(rows), expected)


@pytest.mark.parametrize("encoder", [IdentityEncoder(3, standardise=True), MLPEncoder(3, standardise=True)])
def test_columns_are_standardised_by_the_rows_of_training(encoder: IdentityEncoder | MLPEncoder) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(50, 3, generator=generator) * torch.tensor([2.0, 0.1, 0.0]) + torch.tensor([5.0, -1.0, 7.0])
    encoder.scaling.fit(rows)
    scaled = encoder.scaling(rows)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-5, rtol=0)
    assert {"scaling.mean", "scaling.scale"} <= set(encoder.state_dict())
    plain = type(encoder)(3)
    assert not [name for name in plain.state_dict() if "scaling" in name]


@pytest.mark.parametrize("encoder", [IdentityEncoder(5), MLPEncoder(5)])
@pytest.mark.parametrize("wrong", [torch.zeros(2, 3, 4), torch.zeros(2, 3, 5, dtype=torch.uint8)])
def test_other_rows_are_refused(encoder: torch.nn.Module, wrong: torch.Tensor) -> None:
    with pytest.raises(ConfigError):
        encoder(wrong)
