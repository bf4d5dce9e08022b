"""Parts chosen by name, and changed by their keys."""

from __future__ import annotations

import pytest

import metamann
from metamann.application.parts import Parts, changed
from metamann.errors import ConfigError


def test_a_choice_is_what_conf_has_with_some_keys_changed() -> None:
    part = metamann.choice("protocol", "nway", ways=3)
    assert part["ways"] == 3
    assert part["_target_"].endswith("NWayKShot")


@pytest.mark.parametrize(
    ("group", "name", "changes", "fix"),
    [
        ("protocol", "nonsense", {}, "choose .*nway"),
        ("learner", "rotated", {}, "write adapter=rotated"),
        ("protocol", "nway", {"wayz": 3}, r"protocol\.wayz is no setting .*it has ways"),
        ("encoder", "recurrent", {}, r"metamann\.settings\(encoder='recurrent'\)"),
        ("encoder", "conv", {}, "takes settings of other parts"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(group: str, name: str, changes: dict[str, int], fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        metamann.choice(group, name, **changes)


def test_a_change_leaves_the_part_as_it_was_and_reaches_nested_parts() -> None:
    part = metamann.choice("protocol", "nway")
    wider = changed(part, {"codes": {"width": 7}}, "protocol")
    assert wider["codes"] == {**part["codes"], "width": 7}
    assert part["codes"]["width"] is None


def test_a_change_that_names_a_class_replaces_the_part() -> None:
    parts = Parts({"protocol": metamann.choice("protocol", "nway")})
    stream = metamann.choice("protocol", "stream")
    assert parts.replaced({"protocol": stream}).nodes["protocol"] == stream
    assert parts.replaced({"protocol": "stream", "data": None}).nodes["protocol"] == stream
    assert parts.replaced({"protocol": {"ways": 9}}).nodes["protocol"]["ways"] == 9
