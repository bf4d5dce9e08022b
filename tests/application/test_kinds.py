"""Values of a configuration are of the kind that their class says; every key is named in full."""

from __future__ import annotations

import math
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

import pytest

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
    ("values", "message"),
    [
        ({"count": 1.5}, "whole.count=1.5 must be a whole number."),
        ({"count": True}, "whole.count=true must be a whole number."),
        ({"count": "3"}, "whole.count=3 must be a whole number."),
        ({"count": None}, "whole.count=null must be a whole number."),
        ({"share": math.nan}, "whole.share=nan must be a number or null."),
        ({"share": math.inf}, "whole.share=inf must be a number or null."),
        ({"share": "x"}, "whole.share=x must be a number or null."),
        ({"flag": "yes"}, "whole.flag=yes must be true or false."),
        ({"flag": 1}, "whole.flag=1 must be true or false."),
        ({"name": 3}, "whole.name=3 must be text."),
        ({"choice": "c"}, "whole.choice=c must be a or b."),
        ({"choice": True}, "whole.choice=true must be a or b."),
        ({"span": [1, "x"]}, "whole.span=[1, 'x'] must be a whole number or a list, each a whole number."),
        ({"span": "12"}, "whole.span=12 must be a whole number or a list, each a whole number."),
        ({"path": 3}, "must be a path or null."),
        ({"part": 3}, "whole.part=3 must be a node that builds a Part."),
        ({"part": {"_target_": f"{__name__}.Part", "width": 0.5}}, "whole.part.width=0.5 must be a whole number."),
        ({"parts": {"one": {"_target_": f"{__name__}.Part", "width": "x"}}}, "whole.parts.one.width=x must be"),
        ({"wodth": 3}, f"whole.wodth is no setting of {__name__}.Whole; it has part, count, share"),
    ],
)
def test_others_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_kinds(of(**values), "whole", resolve_name)
    assert message in str(error.value)


def test_what_a_run_gives_and_a_class_does_not_take_is_named() -> None:
    with pytest.raises(ConfigError, match=r"does not fit this run \(it takes no encoder\); choose another learner="):
        check_kinds(of(), "learner", resolve_name, ("part", "encoder"))


def test_callables_without_annotations_take_anything() -> None:
    check_kinds({"_target_": "fractions.Fraction", "numerator": "x"}, "x", resolve_name)
    check_kinds({"_target_": "builtins.dict", "a": 3}, "x", resolve_name)
