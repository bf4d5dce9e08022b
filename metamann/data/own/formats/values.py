"""Values as files write them: JSON, or what Python and numpy print for lists, tuples and dictionaries.

Nothing is evaluated: Python's strings, brackets and names are written as those of JSON, and what is no JSON then is
refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from metamann.errors import excerpt

ESCAPE = r"""\\(?:['"\\abfnrtv]|x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8})"""
STRING = re.compile(
    rf"""'(?P<single>(?:[^'\\]|{ESCAPE})*)'|"(?P<double>(?:[^"\\]|{ESCAPE})*)"|(?P<alone>['"])""", re.DOTALL
)
NAMES = {"None": "null", "nan": "null", "True": "true", "False": "false"}


def read_value(text: str) -> Any:
    """The value that a text represents.

    Raises:
        json.JSONDecodeError: with the line and column, if it is neither JSON nor Python's.
        ValueError: if a number is too long, or a key stands in an object twice.
        RecursionError: if it is nested too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        try:
            return json.loads(_as_json(text), object_pairs_hook=_object)
        except ValueError:
            raise error from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, refused if a key stands in it twice: one of the two values would be lost in silence."""
    content = dict(pairs)
    if len(content) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {excerpt(key)} stands twice in an object")
    return content


def _as_json(text: str) -> str:
    """Python's value as JSON; between the values of an array of numpy stand blanks alone."""
    code: list[str] = []
    position = 0
    for match in STRING.finditer(text):
        if match["alone"]:
            raise ValueError("a string is no string of Python")
        between = text[position : match.start()]
        code.append(_code(between) if between.strip() or not code else ", ")
        string = match["single"] if match["single"] is not None else match["double"]
        code.append(json.dumps(string.encode("ascii", "backslashreplace").decode("unicode_escape")))
        position = match.end()
    return "".join([*code, _code(text[position:])])


def _code(text: str) -> str:
    """The text between strings."""
    text = text.replace("(", "[").replace(")", "]")
    text = re.sub(r",\s*(?=[\]}])", "", text)
    text = re.sub(r"(?<=\d)\s+(?=\d)", ", ", text)
    return re.sub(r"[A-Za-z]+", lambda name: NAMES.get(name[0], name[0]), text)
