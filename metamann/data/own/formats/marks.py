"""Marks as tools write them in JSON: `[start, end, type]`, or an object with the same three under names of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metamann.data.own.documents import Mark
from metamann.data.own.formats.json_items import Item
from metamann.errors import excerpt

START_KEYS = ("start", "start_offset", "startOffset", "start_char", "begin")
END_KEYS = ("end", "end_offset", "endOffset", "end_char")
TYPE_KEYS = ("label", "labels", "type", "entity_group", "entity", "tag", "tag_name")
SEVERAL_LABELS = "spans with several labels, of which the first is taken"


def is_mark(value: Any) -> bool:
    """Whether a value has the form of a mark, right or wrong."""
    if isinstance(value, list):
        return len(value) == 3 and whole(value[0]) is not None and whole(value[1]) is not None
    return isinstance(value, dict) and any(key in value for key in START_KEYS) and any(key in value for key in END_KEYS)


def read_mark(item: Item, value: Any) -> Mark:
    """A mark.

    Raises:
        DataError: if it has no two whole numbers and a name.
    """
    if isinstance(value, list) and len(value) == 3:
        start, end, label, text = *value, None
    elif isinstance(value, dict):
        start, end, label = (
            next((value[key] for key in keys if value.get(key) is not None), None)
            for keys in (START_KEYS, END_KEYS, TYPE_KEYS)
        )
        text = value.get("text")
    else:
        start = end = label = text = None
    first, last = whole(start), whole(end)
    name = first_label(item, label)
    if first is None or last is None or name is None:
        raise item.error(
            f"a span is {excerpt(repr(value))}, but should be [start, end, type] or "
            '{"start": ..., "end": ..., "label": ...}, two whole numbers and a name.'
        )
    return Mark(first, last, name, text if isinstance(text, str) else None)


def read_marks(item: Item, values: Any) -> tuple[Mark, ...]:
    """All marks of a text.

    Raises:
        DataError: if they are no list, or one of them is none.
    """
    if not isinstance(values, list):
        raise item.error(f"spans are {excerpt(repr(values))}, but should be a list of [start, end, type].")
    return tuple(read_mark(item, value) for value in values)


def first_label(item: Item, labels: Any) -> str | None:
    """The name of a type: of several the first, which is counted; None if there is none."""
    if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
        item.count(SEVERAL_LABELS, len(labels) > 1)
        labels = labels[0]
    return item.check(labels) if isinstance(labels, str) and labels.strip() else None


def read_words(item: Item, text: str, values: Sequence[Any]) -> tuple[tuple[int, int], ...] | None:
    """Words that the file cuts its text into, without those of blanks alone; None if they do not cover the text.

    Raises:
        DataError: if they are not in order or not inside the text.
    """
    words: list[tuple[int, int]] = []
    for value in values:
        start, end = (whole(value.get(key)) if isinstance(value, dict) else None for key in ("start", "end"))
        if start is None or end is None or not (words[-1][1] if words else 0) <= start <= end <= len(text):
            raise item.error(f"a token is {excerpt(repr(value))}, but should start and end inside the text, in order.")
        if text[start:end].strip():
            words.append((start, end))
    between = zip([0, *(end for _, end in words)], [*(start for start, _ in words), len(text)], strict=True)
    if any(text[start:end].strip() for start, end in between):
        item.count("texts that are not covered by their tokens, cut into words anew")
        return None
    return tuple(words)


def whole(value: Any) -> int | None:
    """A whole number, written as such or as `5.0`; None for everything else, truth values too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None
