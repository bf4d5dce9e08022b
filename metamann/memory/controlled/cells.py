"""One step of a controller from its pre-activations, with its gradient by hand: for loops that autograd would slow.

    lstm: i, f, o = sigmoid(z_i, z_f, z_o), g = tanh(z_g), c' = f c + i g, h' = o tanh(c')
    gru:  r, u = sigmoid(z_r, z_u), n = tanh(z_n + r z_m), h' = n + u (h - n), z_m being what the reset acts on
    feedforward: h' = tanh(z)

`packed` gives the weights that make z = x W_x^T + b + [h; rest of x] W, so that what is known of x before the loop is
projected for all steps at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Packed(NamedTuple):
    """Weights of a controller: z = known W_x^T + b + [h; rest] W.

    Attributes:
        known: `z width x known inputs`, W_x as a linear layer has it.
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
        return Packed(known, cell.bias, torch.cat([from_hidden, late], 1).T)
    assert isinstance(cell, nn.LSTMCell | nn.GRUCell)
    rows: list[Tensor] = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    if isinstance(cell, nn.LSTMCell):
        inputs, hidden, input_bias, hidden_bias = map(_sigmoids_first, rows)
    else:
        inputs, input_bias = (torch.cat([weight, torch.zeros_like(weight.chunk(3)[0])]) for weight in rows[::2])
        hidden, hidden_bias = map(_apart, rows[1::2])
    recurrent = torch.cat([hidden, inputs[:, -rest:]], 1)
    return Packed(inputs[:, :-rest], input_bias + hidden_bias, recurrent.T)


def forward_step(cell: nn.Module, z: Tensor, h: Tensor, c: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """One step; z is overwritten with what `backward_step` needs.

    Args:
        cell: the controller that was packed.
        z: `batch x z width`.
        h: `batch x hidden`, before the step.
        c: `batch x hidden`, of an LSTM; passed on as it is by others.
        out: `batch x hidden`, filled with the next hidden state.

    Returns:
        The next cell, and what `backward_step` needs beside z.
    """
    width = h.shape[-1]
    if isinstance(cell, nn.LSTMCell):
        z[:, : 3 * width].sigmoid_()
        z[:, 3 * width :].tanh_()
        enter, forget, opened, new = z.chunk(4, -1)
        c = torch.mul(forget, c).addcmul_(enter, new)
        squashed = c.tanh()
        torch.mul(opened, squashed, out=out)
        return c, squashed
    if isinstance(cell, nn.GRUCell):
        z[:, : 2 * width].sigmoid_()
        reset, update, new, from_hidden = z.chunk(4, -1)
        new.addcmul_(reset, from_hidden).tanh_()
        torch.addcmul(new, update, h - new, out=out)
        return c, c
    out.copy_(z.tanh_())
    return c, c


def backward_step(
    cell: nn.Module, z: Tensor, h: Tensor, c: Tensor, saved: Tensor, grad_h: Tensor, grad_c: Tensor, out: Tensor
) -> tuple[Tensor | None, Tensor]:
    """Gradients of one step.

    Args:
        cell: the controller that was packed.
        z: as `forward_step` left it.
        h: the hidden state before the step.
        c: the cell before the step.
        saved: the second result of `forward_step`.
        grad_h: gradient with respect to the hidden state after it.
        grad_c: gradient with respect to the cell after it.
        out: `batch x z width`, filled with the gradient with respect to the pre-activations.

    Returns:
        Gradient with respect to the hidden state before, as far as it does not pass through z (None: none does), and to
        the cell.
    """
    width = h.shape[-1]
    if isinstance(cell, nn.LSTMCell):
        enter, forget, opened, new = z.chunk(4, -1)
        grad_enter, grad_forget, grad_opened, grad_new = out.chunk(4, -1)
        grad_c = through_tanh(grad_h * opened, saved).add_(grad_c)
        torch.mul(grad_c, new, out=grad_enter)
        torch.mul(grad_c, c, out=grad_forget)
        torch.mul(grad_h, saved, out=grad_opened)
        torch.mul(grad_c, enter, out=grad_new)
        through_sigmoid(out[:, : 3 * width], z[:, : 3 * width])
        through_tanh(grad_new, new)
        return None, grad_c.mul_(forget)
    if isinstance(cell, nn.GRUCell):
        reset, update, new, from_hidden = z.chunk(4, -1)
        grad_reset, grad_update, grad_new, grad_from_hidden = out.chunk(4, -1)
        passed_h = grad_h * update
        torch.sub(grad_h, passed_h, out=grad_new)
        through_tanh(grad_new, new)
        torch.mul(grad_new, from_hidden, out=grad_reset)
        torch.mul(grad_h, h - new, out=grad_update)
        torch.mul(grad_new, reset, out=grad_from_hidden)
        through_sigmoid(out[:, : 2 * width], z[:, : 2 * width])
        return passed_h, grad_c
    through_tanh(out.copy_(grad_h), z)
    return None, grad_c


def through_sigmoid(gradient: Tensor, value: Tensor) -> Tensor:
    """A gradient by a sigmoid, in place to one by what it was taken of."""
    result: Tensor = torch.ops.aten.sigmoid_backward.grad_input(gradient, value, grad_input=gradient)
    return result


def through_tanh(gradient: Tensor, value: Tensor) -> Tensor:
    """A gradient by a tanh, in place to one by what it was taken of."""
    result: Tensor = torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=gradient)
    return result


def _sigmoids_first(weight: Tensor) -> Tensor:
    """Rows of an LSTM from i, f, g, o to i, f, o, g."""
    enter, forget, new, out = weight.chunk(4)
    return torch.cat([enter, forget, out, new])


def _apart(weight: Tensor) -> Tensor:
    """Rows of a GRU that act on h from r, u, n to r, u, nothing, n."""
    reset, update, new = weight.chunk(3)
    return torch.cat([reset, update, torch.zeros_like(new), new])
