"""Controllers of external memories: an LSTM or GRU cell, or a layer without recurrence, behind one signature."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from metamann.errors import check_choice, check_size

KINDS = ("lstm", "gru", "feedforward")


class ControllerState(NamedTuple):
    """Hidden and cell state, `batch x hidden` each; the cell of all but the LSTM has width 0."""

    hidden: Tensor
    cell: Tensor


class Controller(nn.Module):
    """One step of an LSTM, of a GRU, or tanh of a linear layer, which remembers nothing itself.

    The GRU is `torch.nn.GRUCell`: z and 1 - z are swapped against Cho et al. 2014, and the reset gate acts after the
    matrix product.

    Args:
        kind: `lstm`, `gru` or `feedforward`.
        inputs: width of the input.
        hidden: width of the hidden state.

    Raises:
        ConfigError: for another kind, or a width below 1.

    Examples:
        >>> import torch
        >>> controller = Controller("lstm", inputs=3, hidden=4)
        >>> state = controller.initial_state(batch=2, like=torch.zeros(0))
        >>> controller(torch.ones(2, 3), state).hidden.shape
        torch.Size([2, 4])
    """

    def __init__(self, kind: Literal["lstm", "gru", "feedforward"], inputs: int, hidden: int) -> None:
        super().__init__()
        check_choice("memory.controller", kind, KINDS)
        check_size("memory.hidden", hidden)
        self.hidden = hidden
        self.cell: nn.Module = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "feedforward": nn.Linear}[kind](inputs, hidden)

    def initial_state(self, batch: int, like: Tensor) -> ControllerState:
        """Zeros, on the device and in the type of `like`."""
        cell_width = self.hidden if isinstance(self.cell, nn.LSTMCell) else 0
        return ControllerState(like.new_zeros(batch, self.hidden), like.new_zeros(batch, cell_width))

    def forward(self, inputs: Tensor, state: ControllerState) -> ControllerState:
        """The next state, for inputs `batch x inputs`."""
        if isinstance(self.cell, nn.LSTMCell):
            return ControllerState(*self.cell(inputs, (state.hidden, state.cell)))
        hidden = self.cell(inputs, state.hidden) if isinstance(self.cell, nn.GRUCell) else self.cell(inputs).tanh()
        return ControllerState(hidden, state.cell)
