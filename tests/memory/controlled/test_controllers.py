"""Controllers against the equations of their cells."""

from __future__ import annotations

import pytest
import torch

from metamann.errors import ConfigError
from metamann.memory.controlled.controllers import Controller, ControllerState


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + (-x).exp())


def test_lstm() -> None:
    torch.manual_seed(0)
    controller = Controller("lstm", 3, 2).double()
    x, h, c = torch.randn(4, 3).double(), torch.randn(4, 2).double(), torch.randn(4, 2).double()
    cell = controller.cell
    gates = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    enter, forget, new, out = gates.split(2, -1)
    expected = sigmoid(forget) * c + sigmoid(enter) * new.tanh()
    hidden, cell_state = controller(x, ControllerState(h, c))
    torch.testing.assert_close(cell_state, expected)
    torch.testing.assert_close(hidden, sigmoid(out) * expected.tanh())


def test_gru_keeps_its_state_where_z_is_one_and_resets_after_the_product() -> None:
    torch.manual_seed(0)
    controller = Controller("gru", 3, 2).double()
    x, h = torch.randn(4, 3).double(), torch.randn(4, 2).double()
    cell = controller.cell
    reset_x, update_x, new_x = (x @ cell.weight_ih.T + cell.bias_ih).split(2, -1)
    reset_h, update_h, new_h = (h @ cell.weight_hh.T + cell.bias_hh).split(2, -1)
    new = (new_x + sigmoid(reset_x + reset_h) * new_h).tanh()
    update = sigmoid(update_x + update_h)
    hidden, empty = controller(x, ControllerState(h, h[:, :0]))
    torch.testing.assert_close(hidden, (1 - update) * new + update * h)
    assert empty.shape == (4, 0)


def test_feedforward_remembers_nothing() -> None:
    torch.manual_seed(0)
    controller = Controller("feedforward", 3, 2)
    x = torch.randn(4, 3)
    expected = (x @ controller.cell.weight.T + controller.cell.bias).tanh()
    for hidden in (torch.zeros(4, 2), torch.randn(4, 2)):
        torch.testing.assert_close(controller(x, ControllerState(hidden, hidden[:, :0])).hidden, expected)


@pytest.mark.parametrize("kind", ["lstm", "gru", "feedforward"])
def test_fresh_state_is_zero_in_the_type_of_the_features(kind: str) -> None:
    state = Controller(kind, 3, 2).initial_state(4, torch.zeros(1, dtype=torch.float64))
    assert state.hidden.shape == (4, 2)
    assert state.cell.shape == (4, 2 if kind == "lstm" else 0)
    assert all(tensor.dtype == torch.float64 and not tensor.any() for tensor in state)


def test_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"controller=rnn.*feedforward"):
        Controller("rnn", 3, 2)
