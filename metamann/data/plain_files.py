"""Text and JSON files that any program can read: UTF-8 for all names, and numbers of the JSON standard."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from metamann.data.cache import write_atomically


def write_text(path: Path, text: str) -> None:
    r"""Write a file atomically; an unpaired surrogate, which UTF-8 cannot encode, is escaped as `\ud800`.

    Raises:
        OSError: if it cannot be written.
    """
    write_atomically(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically, see `to_json`.

    Raises:
        OSError: if it cannot be written.
    """
    write_text(path, to_json(content, indent=2) + "\n")


def to_json(content: Any, indent: int | None = None) -> str:
    """Plain types as JSON; numbers that are not finite are null, since the standard has no NaN and no infinity."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
