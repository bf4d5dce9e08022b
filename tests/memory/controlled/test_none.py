"""The controller alone, told labels late or beside their items."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metamann.errors import ConfigError
from metamann.memory.controlled.none import ControllerOnly

FEATURES, CODES, STEPS = 5, 3, 4


def _sequence() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    codes = torch.eye(CODES)[torch.randint(CODES, (2, STEPS), generator=generator)]
    return torch.randn(2, STEPS, FEATURES, generator=generator), codes, torch.ones(2, STEPS, dtype=torch.bool)


@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_beside_is_a_recurrent_network_over_pairs_and_an_answer_sees_no_label(controller: str) -> None:
    memory = ControllerOnly(FEATURES, CODES, item_width=None, controller=controller, hidden=6, label="beside")  # type: ignore[arg-type]
    features, codes, mask = _sequence()
    reads, state = memory.scan(memory.initial_state(2, CODES, features), features, codes, mask)
    network = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[controller](FEATURES + CODES, 6, batch_first=True)
    for name, parameter in memory.controller.cell.named_parameters():
        getattr(network, f"{name}_l0").data.copy_(parameter)
    told, _ = network(torch.cat([features, codes], -1))
    torch.testing.assert_close(state.hidden, told[:, -1])
    unlabelled = torch.cat([features[:, -1:], torch.zeros(2, 1, CODES)], -1)
    answered, _ = network(torch.cat([torch.cat([features, codes], -1)[:, :-1], unlabelled], 1))
    torch.testing.assert_close(reads[:, -1], answered[:, -1])


def test_late_an_item_and_its_label_are_two_steps_apart() -> None:
    memory = ControllerOnly(FEATURES, CODES, item_width=None, controller="gru", hidden=6)
    features, codes, mask = _sequence()
    reads, _ = memory.scan(memory.initial_state(2, CODES, features), features, codes, mask)
    network = torch.nn.GRU(FEATURES + CODES, 6, batch_first=True)
    for name, parameter in memory.controller.cell.named_parameters():
        getattr(network, f"{name}_l0").data.copy_(parameter)
    before = torch.cat([torch.zeros(2, 1, CODES), codes[:, :-1]], 1)
    torch.testing.assert_close(reads, network(torch.cat([features, before], -1))[0])


def test_the_start_is_scaled() -> None:
    torch.manual_seed(0)
    plain = ControllerOnly(FEATURES, CODES)
    torch.manual_seed(0)
    scaled = ControllerOnly(FEATURES, CODES, start_scale=4)
    for one, other in zip(plain.controller.parameters(), scaled.controller.parameters(), strict=True):
        torch.testing.assert_close(other, 4 * one)
    torch.testing.assert_close(list(plain.item.parameters()), list(scaled.item.parameters()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "early"}, "label=early is unknown; choose late or beside"),
        ({"label": "beside", "controller": "feedforward"}, "set memory.label=late"),
        ({"start_scale": -1}, "at least 0"),
    ],
)
def test_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ControllerOnly(FEATURES, CODES, **options)  # type: ignore[arg-type]


def test_codes_wider_than_built_for_are_refused_beside_too() -> None:
    memory = ControllerOnly(FEATURES, CODES, label="beside")
    features, _, mask = _sequence()
    state = memory.initial_state(2, CODES, features)
    with pytest.raises(ConfigError, match="label codes of width 3"):
        memory.step(state, features[:, 0], torch.zeros(2, CODES + 1), mask[:, 0])
