"""Similarity scores and masked weights that memories address by."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

EPSILON = 1e-6


def cosine(keys: Tensor, rows: Tensor, epsilon: Literal["root", "added"] = "root") -> Tensor:
    """Cosine of every key with every memory row; finite, with finite gradients, for rows and keys of zeros.

    Args:
        keys: `batch x keys x width`.
        rows: `batch x slots x width`.
        epsilon: where 1e-6 stands: `root`, k.m / sqrt(|k|^2 |m|^2 + e): an empty row has cosine 0, a small one
            less than its full cosine; `added`, k.m / (|k| |m| + e): small rows keep more of it.

    Returns:
        `batch x keys x slots`.
    """
    products = keys @ rows.transpose(1, 2)
    squares = keys.square().sum(-1).unsqueeze(-1) * rows.square().sum(-1).unsqueeze(1)
    if epsilon == "root":
        return products * torch.rsqrt(squares + EPSILON)
    # the tiny constant only keeps the gradient of the root finite at zero
    return products / ((squares + torch.finfo(squares.dtype).tiny).sqrt() + EPSILON)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis of the scores where `mask` is true; zeros where nothing is."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask
