"""The controller alone, with labels one step late or beside their items."""

from __future__ import annotations

import pytest
import torch
from contract import CODE_WIDTH, FEATURES, full_mask, labelled_sequence
from torch import Tensor

from metamann.memory.controlled.none import ControllerOnly

STEPS = 4


def sequence() -> tuple[Tensor, Tensor]:
    features, codes, _ = labelled_sequence(STEPS, batch=2)
    return features.float(), codes.float()


@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_label_beside_is_a_recurrent_network_over_pairs_with_reads_without_the_label(controller: str) -> None:
    memory = ControllerOnly(FEATURES, CODE_WIDTH, item_width=None, controller=controller, hidden=6, label="beside")  # type: ignore[arg-type]
    features, codes = sequence()
    reads, state = memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, full_mask(features))
    network = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[controller](FEATURES + CODE_WIDTH, 6, batch_first=True)
    for name, parameter in memory.controller.cell.named_parameters():
        getattr(network, f"{name}_l0").data.copy_(parameter)
    outputs, _ = network(torch.cat([features, codes], -1))
    torch.testing.assert_close(state.hidden, outputs[:, -1])
    unlabelled = torch.cat([features[:, -1:], torch.zeros(2, 1, CODE_WIDTH)], -1)
    expected, _ = network(torch.cat([torch.cat([features, codes], -1)[:, :-1], unlabelled], 1))
    torch.testing.assert_close(reads[:, -1], expected[:, -1])


def test_label_late_is_a_recurrent_network_over_items_and_previous_labels() -> None:
    memory = ControllerOnly(FEATURES, CODE_WIDTH, item_width=None, controller="gru", hidden=6)
    features, codes = sequence()
    reads, _ = memory.scan(memory.initial_state(2, CODE_WIDTH, features), features, codes, full_mask(features))
    network = torch.nn.GRU(FEATURES + CODE_WIDTH, 6, batch_first=True)
    for name, parameter in memory.controller.cell.named_parameters():
        getattr(network, f"{name}_l0").data.copy_(parameter)
    before = torch.cat([torch.zeros(2, 1, CODE_WIDTH), codes[:, :-1]], 1)
    torch.testing.assert_close(reads, network(torch.cat([features, before], -1))[0])


def test_start_scale_multiplies_the_initial_controller() -> None:
    torch.manual_seed(0)
    plain = ControllerOnly(FEATURES, CODE_WIDTH)
    torch.manual_seed(0)
    scaled = ControllerOnly(FEATURES, CODE_WIDTH, start_scale=4)
    for one, other in zip(plain.controller.parameters(), scaled.controller.parameters(), strict=True):
        torch.testing.assert_close(other, 4 * one)
    torch.testing.assert_close(list(plain.item.parameters()), list(scaled.item.parameters()))
