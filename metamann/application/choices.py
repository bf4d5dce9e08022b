"""The choices of every group with one line each, for `--help`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

COLUMNS = 100


def choices(sources: Iterable[Mapping[str, str]]) -> str:
    """The choices of every group, of metamann, plug-ins and folders of the user.

    Args:
        sources: the search path of Hydra, each source with its `schema` and `path`; an earlier source has priority.
    """
    lines: dict[str, dict[str, str]] = {}
    for source in sources:
        root = _root(source)
        if root is not None:
            for group, choice, text in _choices_below(root):
                lines.setdefault(group, {}).setdefault(choice, description(text))
    return "\n\n".join(_group(group, lines[group]) for group in sorted(lines))


def description(text: str) -> str:
    """The first comment of a configuration, except directives of Hydra; empty if it does not start with a comment."""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment = line.lstrip("# ").rstrip()
        if comment and not comment.startswith("@package"):
            return comment
    return ""


def _root(source: Mapping[str, str]) -> Traversable | None:
    if source["schema"] == "pkg" and source["path"].partition(".")[0] != "hydra":
        return files(source["path"])
    return Path(source["path"]) if source["schema"] == "file" and Path(source["path"]).is_dir() else None


def _choices_below(folder: Traversable, group: str = "") -> Iterator[tuple[str, str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir() and not (group == "" and entry.name == "hydra"):
            yield from _choices_below(entry, f"{group}/{entry.name}".lstrip("/"))
        elif group and entry.name.endswith(".yaml"):
            yield group, entry.name.removesuffix(".yaml"), entry.read_text(encoding="utf-8")


def _group(group: str, described: Mapping[str, str]) -> str:
    names = {choice: f"  {group}={choice}" for choice in sorted(described)}
    indent = max(map(len, names.values())) + 2
    return "\n".join(
        textwrap.fill(
            described[choice], COLUMNS, initial_indent=name.ljust(indent), subsequent_indent=" " * indent,
            break_on_hyphens=False,
        ) or name
        for choice, name in names.items()
    )  # fmt: skip
