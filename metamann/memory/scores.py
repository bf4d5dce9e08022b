"""Similarity scores and masked weights that memories address by.

Every score is a module of one signature: queries `batch x queries x query_width` and memory rows
`batch x slots x width` to scores `batch x queries x slots`. `make_score` builds one by its name.

References:
    [B15] Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015, A.1.2.
    [L15] Luong et al., Effective Approaches to Attention-based Neural Machine Translation, EMNLP 2015, section 3.1.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from metamann.errors import ConfigError, check_choice, check_number

EPSILON = 1e-6
SCORES = ("dot", "additive", "multiplicative", "cosine")


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


class DotScore(nn.Module):
    """h^T M_i [L15, "dot"]: queries as wide as the rows.

    Examples:
        >>> DotScore()(torch.ones(1, 2, 3), torch.eye(3).unsqueeze(0))
        tensor([[[1., 1., 1.],
                 [1., 1., 1.]]])
    """

    def forward(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Inner product of every query with every row."""
        return queries @ rows.transpose(1, 2)


class AdditiveScore(nn.Module):
    """v^T tanh(W_h h + W_m M_i) [B15]; costs `batch x queries x slots x width` numbers.

    It is odd in query and row together, so a similarity, which is even, needs something in h or M_i that is constant.

    Args:
        query_width: width of the queries.
        width: of a row, and of v.

    Examples:
        >>> score = AdditiveScore(query_width=4, width=3)
        >>> score(torch.ones(1, 2, 4), torch.ones(1, 5, 3)).shape
        torch.Size([1, 2, 5])
    """

    def __init__(self, query_width: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, width, bias=False)
        self.row = nn.Linear(width, width, bias=False)
        self.v = nn.Parameter(torch.empty(width).uniform_(-1, 1) / math.sqrt(width))

    def forward(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Score of every query with every row."""
        scores: Tensor = (self.query(queries).unsqueeze(2) + self.row(rows).unsqueeze(1)).tanh() @ self.v
        return scores


class MultiplicativeScore(nn.Module):
    """h^T W_m M_i [L15, "general"].

    Args:
        query_width: width of the queries.
        width: of a row.

    Examples:
        >>> score = MultiplicativeScore(query_width=4, width=3)
        >>> score(torch.ones(1, 2, 4), torch.ones(1, 5, 3)).shape
        torch.Size([1, 2, 5])
    """

    def __init__(self, query_width: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, width, bias=False)  # h^T W_m

    def forward(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Score of every query with every row."""
        scores: Tensor = self.query(queries) @ rows.transpose(1, 2)
        return scores


class CosineScore(nn.Module):
    """Cosine of query and row: queries as wide as the rows.

    Args:
        epsilon: see `cosine`.

    Examples:
        >>> rows = torch.tensor([[[3.0, 4.0], [-8.0, 6.0]]])
        >>> CosineScore()(rows[:, :1], rows)
        tensor([[[1., 0.]]])
    """

    def __init__(self, epsilon: Literal["root", "added"] = "root") -> None:
        super().__init__()
        self.epsilon: Literal["root", "added"] = epsilon

    def forward(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Cosine of every query with every row."""
        return cosine(queries, rows, self.epsilon)


class Sharpened(nn.Module):
    """A score times a learned positive strength.

    Args:
        score: the score to sharpen.
        strength: at the start of training.

    Examples:
        >>> score = Sharpened(DotScore(), strength=10.0)
        >>> round(score(torch.ones(1, 1, 2), torch.ones(1, 1, 2)).item())
        20
    """

    def __init__(self, score: nn.Module, strength: float) -> None:
        super().__init__()
        self.score = score
        self.log_strength = nn.Parameter(torch.tensor(math.log(strength)))

    def forward(self, queries: Tensor, rows: Tensor) -> Tensor:
        """The score of every query with every row, sharpened."""
        scores: Tensor = self.log_strength.exp() * self.score(queries, rows)
        return scores


def make_score(name: str, query_width: int, width: int, strength: float | None = None) -> nn.Module:
    """A score by its name.

    Args:
        name: `dot`, `additive`, `multiplicative` or `cosine`.
        query_width: width of the queries.
        width: of a row.
        strength: a learned factor of the score, at the start of training; None is the bare formula.

    Raises:
        ConfigError: for another name, widths that a score cannot compare, or a strength that is not above 0.
    """
    check_choice("memory.score", name, SCORES)
    if strength is not None:
        check_number("memory.strength", strength, least=0, above=True)
    if name in ("dot", "cosine") and query_width != width:
        raise ConfigError(
            f"memory.score={name} compares queries of width {query_width} with rows of width {width}: make them equal, "
            "or set memory.score to multiplicative or additive, which learn to."
        )
    if name == "additive":
        score: nn.Module = AdditiveScore(query_width, width)
    elif name == "multiplicative":
        score = MultiplicativeScore(query_width, width)
    else:
        score = DotScore() if name == "dot" else CosineScore()
    return score if strength is None else Sharpened(score, strength)
