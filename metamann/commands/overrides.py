"""Quoting of command line arguments for Hydra, whose grammar reserves characters that paths and other texts contain.

Hydra reads `checkpoint=/runs/seed=0,lr=1` as two equal signs and a list, and `checkpoint=2024` as a number. Paths, and
values that Hydra cannot parse, are texts and are put in quotes.
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
    """Arguments that Hydra can parse; `-m` comes first, because argparse takes no overrides after it."""
    options = [argument for argument in arguments if argument in ("-m", "--multirun")]
    rest = [argument for argument in arguments if argument not in options]
    return [*options, *(_readable(argument, sweep=bool(options)) for argument in rest)]


def _readable(argument: str, *, sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals or not value or argument.startswith("-"):
        return argument
    parsed = _parsed(value)
    if PATHS.fullmatch(key):
        is_list = isinstance(parsed, list) and all(isinstance(item, str) for item in parsed)
        paths = _paths(value.removeprefix("[").removesuffix("]"))
        without_comma = is_list and (len(paths) == len(parsed) or re.search(r"""['"\\]""", value))  # in a path
        if without_comma or parsed in (None, []) or (sweep and isinstance(parsed, Sweep | Glob)):
            return argument
        return f"{key}=[{','.join(map(_text, paths))}]"
    if not PATH.fullmatch(key) or (key == "tasks" and type(parsed) is int):  # `tasks` is a path or a number
        number_for_name = GROUP.fullmatch(key) and isinstance(parsed, int | float)
        return f"{key}={quoted(value)}" if parsed is UNREADABLE or number_for_name else argument
    sweep = sweep and bool(SWEPT.fullmatch(key))
    if sweep and "," in value and not re.fullmatch(r"\w+\(.*\)", value):
        return f"{key}={','.join(map(_text, _paths(value)))}"
    return argument if sweep and isinstance(parsed, Sweep | Glob) else f"{key}={_text(value)}"


def _parsed(value: str) -> Any:
    try:
        return OverridesParser.create().parse_override(f"key={value}").value()
    except (HydraException, ValueError):  # ValueError for an integer of thousands of digits
        return UNREADABLE


def _text(value: str) -> str:
    """The value itself if Hydra reads it as this text or as null; otherwise the value in quotes."""
    parsed = _parsed(value)
    is_quoted = isinstance(parsed, str) and (value[:1] in ("'", '"') or "\\" in value)  # in quotes, or escaped
    return value if parsed is None or is_quoted or parsed == value else quoted(value)


def _paths(value: str) -> list[str]:
    """Paths separated by commas; a comma may be part of a path if this file or folder exists."""
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
        return any(Path(place).expanduser().exists() for place in (path.strip(), without_learner))
    except (OSError, ValueError, RuntimeError):  # too long, not a path, or an unknown home
        return False
