"""Recurrent controllers of external memories: an LSTM or GRU cell behind one signature."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor, nn

from metamann.errors import ConfigError


class ControllerState(NamedTuple):
    """Hidden and cell state, `batch x hidden` each; the cell of a GRU has width 0."""

    hidden: Tensor
    cell: Tensor


class Controller(nn.Module):
    """One step of an LSTM, or of a GRU in the form of `torch.nn.GRUCell` (z and 1 - z swapped against the paper).

    Args:
        kind: `lstm` or `gru`.
        inputs: width of the input.
        hidden: width of the hidden state.

    Raises:
        ConfigError: for another kind.
    """

    def __init__(self, kind: Literal["lstm", "gru"], inputs: int, hidden: int) -> None:
        super().__init__()
        if kind not in ("lstm", "gru"):
            raise ConfigError(f"there is no controller '{kind}'; set memory.controller to lstm or gru.")
        self.hidden = hidden
        self.cell = nn.LSTMCell(inputs, hidden) if kind == "lstm" else nn.GRUCell(inputs, hidden)

    def initial_state(self, batch: int, like: Tensor) -> ControllerState:
        """Zeros, on the device and in the type of `like`."""
        cell_width = self.hidden if isinstance(self.cell, nn.LSTMCell) else 0
        return ControllerState(like.new_zeros(batch, self.hidden), like.new_zeros(batch, cell_width))

    def forward(self, inputs: Tensor, state: ControllerState) -> ControllerState:
        """The next state, for inputs `batch x inputs`."""
        if isinstance(self.cell, nn.LSTMCell):
            return ControllerState(*self.cell(inputs, (state.hidden, state.cell)))
        return ControllerState(self.cell(inputs, state.hidden), state.cell)
