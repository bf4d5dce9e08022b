"""Values from which a fresh additive memory already binds items to their labels and finds them again.

The formulas of `additive.py` stay as they are; only where training starts is chosen. A row is split in three, and
training may mix them:

    column 0         counts: gamma is about 1 there, so it holds how much was written to the row
    the address      the rest of the first quarter: random in M_0, left alone by gamma
    the content      the other columns: empty in M_0, then what gamma brings of items and labels

Writing: beta hashes the state of the controller with the address of each row, and the count keeps it off rows that are
taken. Reading: the query is the item, projected as gamma projects it, and is compared with the content alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from metamann.memory.scores import AdditiveScore, MultiplicativeScore, Sharpened

# widest spread of write scores over free rows that does not yet saturate beta, and the drop of a row once written:
# most of a write goes to one row, and the next one goes elsewhere
SPREAD, DROP = 30.0, 20.0
# additive read scores of what is found stand about this far above the rest
CONTRAST = 50.0


def fresh_rows(slots: int, width: int) -> Tensor:
    """M_0, `slots x width`: random addresses, no count, no content."""
    rows = torch.zeros(slots, width)
    rows[:, 1 : _content(width)].normal_()
    return rows


@torch.no_grad()
def start_written(written: nn.Linear, item: nn.Linear, code: nn.Linear) -> None:
    """Let gamma count in column 0 and bring item and label to the content; the controller grows into it."""
    content = _content(written.out_features)
    written.weight.mul_(0.1)  # not 0: the controller would have nothing to learn from at first
    written.weight[:content] = 0
    written.bias.zero_()
    written.bias[0] = 2.0  # tanh 2 = 0.96
    nn.init.normal_(code.weight, std=0.3)
    for projection in (item, code):
        projection.weight[:content] = 0


@torch.no_grad()
def start_write(score: AdditiveScore) -> None:
    """Let beta hash controller states by address, and fall where a row is taken."""
    width, hidden = score.query.weight.shape
    address = slice(1, _content(width))
    # states of a fresh controller are small: scaled up, so that they rather than the addresses alone pick the row
    score.query.weight.normal_(std=20 / math.sqrt(hidden))
    score.row.weight.zero_()
    score.row.weight[:, address].normal_(std=1 / math.sqrt(_content(width)))
    score.v.normal_(std=SPREAD / math.sqrt(width))
    # the first unit sees the count alone, where tanh is nearly a line
    score.query.weight[0] = 0
    score.row.weight[0] = 0
    score.row.weight[0, 0] = 0.5
    score.v[0] = -DROP / 0.5


@torch.no_grad()
def start_read(query: nn.Module, score: nn.Module, item: nn.Linear) -> None:
    """Let the item find the content that gamma made of it.

    Args:
        query: projection of the item, for the scores that compare equal widths.
        score: of the read.
        item: projection W_x of items by gamma.
    """
    if isinstance(score, Sharpened):
        score = score.score
    if isinstance(query, nn.Linear):
        query.weight.copy_(item.weight)
    elif isinstance(score, MultiplicativeScore):
        score.query.weight.copy_(item.weight)
    elif isinstance(score, AdditiveScore):
        _start_additive_read(score, item.weight)


def _start_additive_read(score: AdditiveScore, projection: Tensor) -> None:
    """An additive score that is nearly the product of query and content.

    With f(z) = tanh(z + n) - tanh(z - n), an even bump, f(m - q) - f(m + q) grows with m q as a product does. The
    constant n that it takes is the count: a row never written has score 0. Four units make one such product of
    random projections of q and m.
    """
    width = len(score.v)
    products, content = width // 4, _content(width)
    project = torch.randn(products, width - content) / math.sqrt(width - content)
    from_item = project @ projection[content:]
    score.v.zero_()
    for part, (sign_q, sign_n, sign) in enumerate([(-1, 1, 1), (-1, -1, -1), (1, 1, -1), (1, -1, 1)]):
        units = slice(part * products, (part + 1) * products)
        score.query.weight[units] = sign_q * from_item
        score.row.weight[units] = 0
        score.row.weight[units, content:] = project
        score.row.weight[units, 0] = sign_n * 2.0
        score.v[units] = sign * CONTRAST / products


def _content(width: int) -> int:
    """First column of the content."""
    return width // 4
