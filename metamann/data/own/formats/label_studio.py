"""Label Studio: its JSON export, a task an object, and JSON-MIN.

Of several annotations of a task the first that was not cancelled is read; predictions are not. A task without an
annotation is a text without labels; one whose annotations were all cancelled is left out.

References:
    https://labelstud.io/guide/export and https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import dataclasses
from typing import Any

from metamann.data.own.documents import Document, Mark
from metamann.data.own.formats.json_items import Item
from metamann.data.own.formats.marks import first_label, read_mark, whole
from metamann.errors import excerpt

LABELS = ("labels", "hypertextlabels")
MIN_KEYS = ("annotator", "annotation_id", "lead_time")  # of JSON-MIN, also where a text has no span


def is_task(value: Any) -> bool:
    """Whether an item is a task of the JSON export."""
    return isinstance(value, dict) and isinstance(value.get("data"), dict)


def is_min(value: Any) -> bool:
    """Whether an item is one of JSON-MIN."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and (any(key in value for key in MIN_KEYS) or any(_is_min_label(field) for field in value.values()))
    )


def read_task(item: Item) -> list[Document]:
    """The text of a task with the marks of its annotation.

    Raises:
        DataError: if it has no text, or a label of it has no offsets.
    """
    task = item.value
    if type(task.get("id")) is int:
        item = dataclasses.replace(item, place=f"task {task['id']}")
    if task.get("predictions"):
        item.count("tasks with predictions, which are not read")
    annotations = task.get("annotations", task.get("completions")) or []
    if not isinstance(annotations, list) or not all(isinstance(annotation, dict) for annotation in annotations):
        raise item.error('its annotations should be a list of objects with a "result"; export the project as JSON.')
    valid = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    cancelled = len(annotations) - len(valid)
    if annotations and not valid:
        item.count("tasks with cancelled annotations only, left out")
        return []
    item.count("cancelled annotations, left out", cancelled)
    if len(valid) > 1:
        item.count("tasks with several annotations, of which the first is read")
    results = valid[0].get("result") or [] if valid else []
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise item.error('the "result" of its annotation should be a list of objects; export the project as JSON.')
    spans = [result for result in results if _marks_text(result)]
    item.count("results that label no piece of the text, left out", len(results) - len(spans))
    marks = tuple(_mark(item, span) for span in spans)
    names = {name for span in spans if isinstance(name := span.get("to_name"), str)}
    text = _text(item, names, marks)
    return [Document(item.place, item.check(text), marks if valid else None)]


def read_min(item: Item) -> list[Document]:
    """The text of an item of JSON-MIN with its marks.

    Raises:
        DataError: if there are several lists of labels, or a label has no offsets.
    """
    lists = [value for value in item.value.values() if _is_min_label(value)]
    if len(lists) > 1:
        raise item.error("it has several lists of labels; keep the one that is meant.")
    marks = tuple(read_mark(item, value) for value in lists[0]) if lists else ()
    return [Document(item.place, item.check(item.value["text"]), marks)]


def _is_min_label(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(span, dict) and "start" in span and any(isinstance(span.get(key), list) for key in LABELS)
            for span in value
        )
    )


def _marks_text(result: dict[str, Any]) -> bool:
    value = result.get("value")
    return isinstance(value, dict) and any(value.get(key) for key in LABELS)


def _text(item: Item, names: set[str], marks: tuple[Mark, ...]) -> str:
    """The text of a task: of its data what the labels fit, else what they point to, else `text`, else the only one."""
    data = item.value["data"]
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    if len(names) > 1:
        raise item.error(f"its labels point to several texts ({excerpt(', '.join(sorted(names)))}); keep one.")
    keys = [key for key in (*names, "text") if key in texts]
    covered = [mark for mark in marks if mark.text]
    if len(texts) > 1 and covered:
        fitting = [
            key for key, text in texts.items() if all(text[mark.start : mark.end] == mark.text for mark in covered)
        ]
        keys = [key for key in keys if key in fitting] or fitting[:1] or keys
    if keys:
        return texts[keys[0]]
    if len(texts) == 1:
        return next(iter(texts.values()))
    raise item.error(
        f"which of its data ({excerpt(', '.join(data) or 'none')}) is the text is not clear; "
        'give it the name "text", as in {"data": {"text": ...}}.'
    )


def _mark(item: Item, result: dict[str, Any]) -> Mark:
    value = result["value"]
    offsets = value if whole(value.get("start")) is not None else value.get("globalOffsets")
    label = next(first_label(item, value[key]) for key in LABELS if value.get(key))
    if not isinstance(offsets, dict):
        offsets = {}
    start, end = offsets.get("start"), offsets.get("end")
    return read_mark(item, {"start": start, "end": end, "label": label, "text": value.get("text")})
