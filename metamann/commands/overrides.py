"""What a user types, made readable for Hydra: paths and other texts with characters that its grammar keeps for itself.

Hydra reads `checkpoint=/runs/seed=0,lr=1` as two equal signs and a list, and `checkpoint=2024` as a number. A path is a
text whatever it holds, and so is what Hydra cannot read at all: both are put in quotes before Hydra sees them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Sweep
from hydra.errors import HydraException

from metamann.application.setting_errors import quoted

ONE_PATH = r"checkpoint|resume|encoder_from|tasks|support|query|data\.\w*path|encoder[\w.]*\.model"
OUTPUT = r"hydra\.(run|sweep)\.(dir|subdir)"
PATH = re.compile(rf"\+*({ONE_PATH}|{OUTPUT})")
SWEPT = re.compile(rf"\+*({ONE_PATH})")  # Hydra's own settings are the same for all jobs
GROUP = re.compile(r"experiment|data|protocol|encoder|memory|learner|adapter")
PATHS = re.compile(r"\+*runs")
UNREADABLE = object()


def readable(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command as Hydra reads them; `-m` comes first: argparse takes no overrides behind it."""
    options = [argument for argument in arguments if argument in ("-m", "--multirun")]
    rest = [argument for argument in arguments if argument not in options]
    return [*options, *(_readable(argument, sweep=bool(options)) for argument in rest)]


def _readable(argument: str, *, sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals or not value or argument.startswith("-"):
        return argument
    found = _parsed(value)
    if PATHS.fullmatch(key):
        as_list = isinstance(found, list) and all(isinstance(each, str) for each in found)
        paths = _paths(value.removeprefix("[").removesuffix("]"))
        meant = as_list and (len(paths) == len(found) or re.search(r"""['"\\]""", value))  # no comma is in a path
        if meant or found in (None, []) or (sweep and isinstance(found, Sweep | Glob)):
            return argument
        return f"{key}=[{','.join(map(_text, paths))}]"
    if not PATH.fullmatch(key) or (key == "tasks" and type(found) is int):  # a number of tasks, where they come
        number_for_name = GROUP.fullmatch(key) and isinstance(found, int | float)
        return f"{key}={quoted(value)}" if found is UNREADABLE or number_for_name else argument
    sweep = sweep and bool(SWEPT.fullmatch(key))
    if sweep and "," in value and not re.fullmatch(r"\w+\(.*\)", value):
        return f"{key}={','.join(map(_text, _paths(value)))}"
    return argument if sweep and isinstance(found, Sweep | Glob) else f"{key}={_text(value)}"


def _parsed(value: str) -> Any:
    try:
        return OverridesParser.create().parse_override(f"key={value}").value()
    except (HydraException, ValueError):  # a whole number of thousands of digits is a ValueError
        return UNREADABLE


def _text(value: str) -> str:
    """A value that is a text as it stands, or null, or the same in quotes."""
    found = _parsed(value)
    meant = isinstance(found, str) and (value[:1] in ("'", '"') or "\\" in value)  # in quotes, or escaped
    return value if found is None or meant or found == value else quoted(value)


def _paths(value: str) -> list[str]:
    """Paths between commas; a comma may be part of a path, if there is such a file or folder."""
    parts, paths = value.split(","), []
    while parts:
        joined = (length for length in range(len(parts), 1, -1) if _exists(",".join(parts[:length])))
        length = next(joined, 1)
        paths.append(",".join(parts[:length]).strip())
        parts = parts[length:]
    return paths


def _exists(path: str) -> bool:
    try:
        without_learner = re.sub(r":\w+$", "", path.strip())
        return any(Path(each).expanduser().exists() for each in (path.strip(), without_learner))
    except (OSError, ValueError, RuntimeError):  # too long, no path at all, no such home
        return False
