"""Plain data: the values that a saved configuration may contain. A file is data and never executes code."""

from __future__ import annotations

import re
from typing import Any

DEEPEST = 30
MOST_VALUES = 100_000
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # except tabs and line breaks, which separate columns


def plain_fault(node: Any) -> str | None:
    """The reason why a configuration is not plain, resolved data; None if it is.

    Plain data are dictionaries whose keys are names, lists, strings, numbers, booleans and None. Interpolations
    (`${...}`) are not allowed, because the program that reads the file would resolve them. Keys that begin with an
    underscore control how objects are instantiated; of these only `_target_`, which names a class, is allowed.

    Args:
        node: any value. The limits of this module bound the check of lists that contain themselves or each other.
    """
    count = 0

    def fault(value: Any, where: str, depth: int) -> str | None:
        nonlocal count
        count += 1
        place = where or "it"
        if depth > DEEPEST or count > MOST_VALUES:
            return f"it nests deeper than {DEEPEST} levels or holds over {MOST_VALUES:,} values"
        if type(value) is str:
            if CONTROL.search(value):
                return f"{place} holds a control character"
            return f"{place} is an interpolation" if "${" in value else None
        if value is None or type(value) in (bool, int, float):
            return None
        if type(value) is list:
            inner = [(item, f"{where}[{number}]") for number, item in enumerate(value)]
        elif type(value) is dict:
            for key in value:
                steers = type(key) is str and key.startswith("_") and key != "_target_"
                if type(key) is not str or not key or steers or "${" in key or CONTROL.search(key):
                    return f"{place} has the key {key!r}"
            inner = [(item, f"{where}.{key}" if where else key) for key, item in value.items()]
        else:
            return f"{place} is of the kind {type(value).__name__}"
        return next((reason for item, name in inner if (reason := fault(item, name, depth + 1)) is not None), None)

    return fault(node, "", 0)
