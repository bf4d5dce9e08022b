"""Options that memories share: defaults, refusals, and the same flat keys in a configuration as in Python."""

from __future__ import annotations

import inspect
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import yaml

from metamann.application.kinds import check_kinds
from metamann.errors import ConfigError
from metamann.memory.controlled.dnc import DNCMemory
from metamann.memory.controlled.none import ControllerOnly
from metamann.memory.controlled.options import ControlledOptions, ControllerOptions, RowOptions, filled

CONF = Path(__file__).parents[3] / "conf" / "memory"
NAMES = ["additive", "dnc", "lrua", "none", "ntm", "ntm_input"]


def test_what_is_not_given_has_its_default() -> None:
    assert filled(RowOptions, {"slots": 6}, width=64) == {"slots": 6, "width": 64}
    assert filled(ControllerOptions, {"item_width": None}) == {"item_width": None, "controller": "lstm", "hidden": 200}
    everything = filled(ControlledOptions, {"width": 3, "shortcut": False}, width=64)
    assert everything.keys() == ControlledOptions.__annotations__.keys()
    assert (everything["width"], everything["heads"], everything["shortcut"]) == (3, 4, False)


def test_options_that_are_none_and_sizes_below_one_are_refused() -> None:
    with pytest.raises(TypeError, match="'slot'; the options are slots, width"):
        filled(RowOptions, {"slot": 6})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(TypeError, match="unexpected keyword argument 'slots'"):
        ControllerOnly(4, 3, slots=6)  # type: ignore[call-arg]
    for name in ("slots", "width", "heads"):
        with pytest.raises(ConfigError, match=f"memory.{name}=0"):
            DNCMemory(4, 3, **{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_the_keys_of_a_configuration_are_those_of_the_class(name: str) -> None:
    """Flat, as they stand in conf/, on the command line and in checkpoints."""
    node: dict[str, Any] = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    target = resolve_name(node["_target_"])
    check_kinds(node, "memory", resolve_name, ("features", "code_width"))
    taken = {key: value for key, value in node.items() if key != "_target_"}
    inspect.signature(target).bind(features=4, code_width=3, **taken)
    with pytest.raises(ConfigError, match=r"memory.slot is no setting .* item_width"):
        check_kinds({**node, "slot": 6}, "memory", resolve_name)
    with pytest.raises(ConfigError, match=r"memory.item_width=wide must be a whole number or null"):
        check_kinds({**node, "item_width": "wide"}, "memory", resolve_name)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("slots", 1.5, "must be a whole number"),
        ("shortcut", 1, "must be true or false"),
        ("controller", "rnn", "must be lstm or gru or feedforward"),
        ("links", "yes", "must be true or false"),
        ("options", {}, "no setting"),
    ],
)
def test_values_of_options_are_checked_like_all_others(key: str, value: Any, message: str) -> None:
    node = {"_target_": "metamann.memory.controlled.dnc.DNCMemory", key: value}
    with pytest.raises(ConfigError, match=message):
        check_kinds(node, "memory", resolve_name)
