"""Values of a configuration are of the kind that their class says; every key is named in full."""

from __future__ import annotations

import math
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

import pytest
from messages import names

from metamann.application.kinds import check_kinds
from metamann.errors import ConfigError


class Part:
    """Something inside."""

    def __init__(self, width: int = 3) -> None:
        self.width = width


class Whole:
    """Takes one of every kind."""

    def __init__(
        self,
        part: Part,
        count: int = 1,
        share: float | None = None,
        flag: bool = False,
        name: str = "",
        choice: Literal["a", "b"] = "a",
        span: int | list[int] = 1,
        path: Path | None = None,
        parts: dict[str, Part] | None = None,
        anything: Any = None,
    ) -> None: ...


def of(**values: Any) -> dict[str, Any]:
    return {"_target_": f"{__name__}.Whole", **values}


@pytest.mark.parametrize(
    "values",
    [
        {"count": 10**30, "share": 1, "flag": True, "name": "x", "choice": "b", "span": [1, 2], "path": "/x"},
        {"share": None, "path": None, "anything": [1, {"a": "b"}]},
        {"part": {"_target_": f"{__name__}.Part", "width": 4}},
        {"parts": {"one": {"_target_": f"{__name__}.Part"}}},
        {"_convert_": "all"},
    ],
)
def test_values_of_the_right_kind_are_taken(values: dict[str, Any]) -> None:
    check_kinds(of(**values), "whole", resolve_name)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"count": 1.5}, ("whole.count=1.5", "a whole number")),
        ({"count": True}, ("whole.count=true", "a whole number")),
        ({"count": "3"}, ("whole.count=3", "a whole number")),
        ({"count": None}, ("whole.count=null", "a whole number")),
        ({"share": math.nan}, ("whole.share=nan", "a number or null")),
        ({"share": math.inf}, ("whole.share=inf", "a number or null")),
        ({"share": "x"}, ("whole.share=x", "a number or null")),
        ({"flag": "yes"}, ("whole.flag=yes", "true or false")),
        ({"flag": 1}, ("whole.flag=1", "true or false")),
        ({"name": 3}, ("whole.name=3", "text")),
        ({"choice": "c"}, ("whole.choice=c", "a or b")),
        ({"choice": True}, ("whole.choice=true", "a or b")),
        ({"span": [1, "x"]}, ("whole.span=[1, 'x']", "a whole number", "a list", "a whole number")),
        ({"span": "12"}, ("whole.span=12", "a whole number", "a list", "a whole number")),
        ({"path": 3}, ("whole.path=3", "a path or null")),
        ({"part": 3}, ("whole.part=3", "a Part")),
        ({"part": {"_target_": f"{__name__}.Part", "width": 0.5}}, ("whole.part.width=0.5", "a whole number")),
        ({"parts": {"one": {"_target_": f"{__name__}.Part", "width": "x"}}}, ("whole.parts.one.width=x", "number")),
        ({"wodth": 3}, ("whole.wodth", f"{__name__}.Whole", "part, count, share")),
    ],
)
def test_others_are_named(values: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as error:
        check_kinds(of(**values), "whole", resolve_name)
    assert names(str(error.value), *parts)


def test_what_a_run_gives_and_a_class_does_not_take_is_named() -> None:
    with pytest.raises(ConfigError, match=r"takes no encoder.*another learner="):
        check_kinds(of(), "learner", resolve_name, ("part", "encoder"))


def test_callables_without_annotations_take_anything() -> None:
    check_kinds({"_target_": "fractions.Fraction", "numerator": "x"}, "x", resolve_name)
    check_kinds({"_target_": "builtins.dict", "a": 3}, "x", resolve_name)
