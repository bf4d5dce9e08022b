"""One step of a controller from its pre-activations, with its gradient by hand: for loops that autograd would slow.

    lstm: i, f, o = sigmoid(z_i, z_f, z_o), g = tanh(z_g), c' = f c + i g, h' = o tanh(c')
    gru:  r, u = sigmoid(z_r, z_u), n = tanh(z_n + r z_m), h' = n + u (h - n), z_m being what the reset acts on
    feedforward: h' = tanh(z)

`packed` gives the weights that make z = x W_x + b + [h; rest of x] W, so that what is known of x before the loop is
projected for all steps at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Packed(NamedTuple):
    """Weights of a controller, as products from the left: z = known W_x + b + [h; rest] W.

    Attributes:
        known: `known inputs x z width`.
        bias: `z width`.
        recurrent: `(hidden + rest of the inputs) x z width`.
    """

    known: Tensor
    bias: Tensor
    recurrent: Tensor


def packed(cell: nn.Module, rest: int) -> Packed:
    """Weights of an `nn.LSTMCell`, `nn.GRUCell` or `nn.Linear` whose last `rest` inputs come from the step before."""
    if isinstance(cell, nn.Linear):
        known, late = cell.weight[:, :-rest], cell.weight[:, -rest:]
        from_hidden = torch.zeros_like(cell.weight[:, :1]).expand(-1, cell.out_features)
        return Packed(known.T, cell.bias, torch.cat([from_hidden, late], 1).T)
    assert isinstance(cell, nn.LSTMCell | nn.GRUCell)
    rows: list[Tensor] = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    if isinstance(cell, nn.LSTMCell):
        inputs, hidden, input_bias, hidden_bias = map(_sigmoids_first, rows)
    else:
        inputs, input_bias = (torch.cat([each, torch.zeros_like(each.chunk(3)[0])]) for each in rows[::2])
        hidden, hidden_bias = map(_apart, rows[1::2])
    recurrent = torch.cat([hidden, inputs[:, -rest:]], 1)
    return Packed(inputs[:, :-rest].T, input_bias + hidden_bias, recurrent.T)


def forward_step(cell: nn.Module, z: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The next hidden state and cell; z is overwritten with what `backward_step` needs.

    Args:
        cell: the controller that was packed.
        z: `batch x z width`.
        h: `batch x hidden`.
        c: `batch x hidden`, of an LSTM; passed on as it is by others.
    """
    width = h.shape[-1]
    if isinstance(cell, nn.LSTMCell):
        z[:, : 3 * width].sigmoid_()
        z[:, 3 * width :].tanh_()
        enter, forget, out, new = z.chunk(4, -1)
        c = torch.addcmul(forget * c, enter, new)
        return out * c.tanh(), c
    if isinstance(cell, nn.GRUCell):
        z[:, : 2 * width].sigmoid_()
        reset, update, new, from_hidden = z.chunk(4, -1)
        new.addcmul_(reset, from_hidden).tanh_()
        return torch.addcmul(new, update, h - new), c
    return z.tanh_(), c


def backward_step(
    cell: nn.Module, z: Tensor, h: Tensor, c: Tensor, next_c: Tensor, by_h: Tensor, by_c: Tensor, out: Tensor
) -> tuple[Tensor | None, Tensor]:
    """Gradients of one step.

    Args:
        cell: the controller that was packed.
        z: as `forward_step` left it.
        h: the hidden state before the step.
        c: the cell before the step.
        next_c: the cell after it.
        by_h: gradient by the hidden state after it.
        by_c: gradient by the cell after it.
        out: `batch x z width`, filled with the gradient by the pre-activations.

    Returns:
        Gradient by the hidden state before, as far as it does not pass through z (None: none does), and by the cell.
    """
    width = h.shape[-1]
    if isinstance(cell, nn.LSTMCell):
        enter, forget, opened, new = z.chunk(4, -1)
        by_enter, by_forget, by_opened, by_new = out.chunk(4, -1)
        shown = next_c.tanh()
        by_c = torch.addcmul(by_c, by_h * opened, 1 - shown * shown)
        torch.mul(by_c, new, out=by_enter)
        torch.mul(by_c, c, out=by_forget)
        torch.mul(by_h, shown, out=by_opened)
        torch.mul(by_c, enter, out=by_new)
        _through_sigmoid(out[:, : 3 * width], z[:, : 3 * width])
        _through_tanh(by_new, new)
        return None, by_c * forget
    if isinstance(cell, nn.GRUCell):
        reset, update, new, from_hidden = z.chunk(4, -1)
        by_reset, by_update, by_new, by_from_hidden = out.chunk(4, -1)
        kept = by_h * update
        torch.sub(by_h, kept, out=by_new)
        _through_tanh(by_new, new)
        torch.mul(by_new, from_hidden, out=by_reset)
        torch.mul(by_h, h - new, out=by_update)
        torch.mul(by_new, reset, out=by_from_hidden)
        _through_sigmoid(out[:, : 2 * width], z[:, : 2 * width])
        return kept, by_c
    out.copy_(by_h)
    _through_tanh(out, z)
    return None, by_c


def _through_sigmoid(gradient: Tensor, value: Tensor) -> None:
    gradient.mul_(value).mul_(1 - value)


def _through_tanh(gradient: Tensor, value: Tensor) -> None:
    gradient.addcmul_(gradient * value, value, value=-1)


def _sigmoids_first(weight: Tensor) -> Tensor:
    """Rows of an LSTM from i, f, g, o to i, f, o, g."""
    enter, forget, new, out = weight.chunk(4)
    return torch.cat([enter, forget, out, new])


def _apart(weight: Tensor) -> Tensor:
    """Rows of a GRU that act on h from r, u, n to r, u, nothing, n."""
    reset, update, new = weight.chunk(3)
    return torch.cat([reset, update, torch.zeros_like(new), new])
