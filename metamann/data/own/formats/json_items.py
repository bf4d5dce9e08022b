"""JSON files cut into items: an array, an object with a list inside, a table of columns, one object, or JSON lines.

What Python prints, or a program has as `TRAIN_DATA = [...]`, is read as the same in JSON.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from metamann.data.own.formats.source import Source, Tally
from metamann.data.own.formats.values import read_value
from metamann.errors import DataError, excerpt

SUFFIXES = (".json", ".jsonl", ".ndjson")
CERTAIN = re.compile(r"""\s*(\{\s*["'}]|\[\s*[\[{(]\s*["'{}\]]|\[\s*$)""")  # starts that no text and no column file has
ASSIGNMENT = re.compile(r"\s*\w+\s*=\s*(?=\[\s*[\[{(])")
HALF_PAIR = re.compile("[\ud800-\udfff]")  # JSON's escapes can write one
TEXT_KEYS = ("text", "data", "sentence", "content")
WORD_KEYS = ("tokenized_text", "tokens", "words", "sentence", "text")


@dataclasses.dataclass(frozen=True)
class Item:
    """One labelled text of a JSON file.

    Attributes:
        path: of the file.
        place: of the item in it, such as `line 3`.
        value: parsed from JSON.
        names: of the tags, where the file numbers them; else empty.
        tally: counts what is left out of the file.

    Examples:
        >>> item = Item(Path("toy.jsonl"), "line 3", {"text": "Ada codes"}, (), Tally())
        >>> str(item.error("it has no spans"))
        'toy.jsonl, line 3: it has no spans'
    """

    path: Path
    place: str
    value: Any
    names: tuple[str, ...]
    tally: Tally

    def error(self, message: str) -> DataError:
        """An error that names the place of this item."""
        return DataError(f"{self.path}, {self.place}: {message}")

    def count(self, what: str, number: int = 1) -> None:
        """Count what is left out of this item, in the plural."""
        self.tally.add(what, self.place, number)

    def check(self, text: str) -> str:
        """A text, a word or the name of a type, refused if it holds half a surrogate pair, which cannot be shown."""
        if HALF_PAIR.search(text):
            raise self.error("half a surrogate pair stands in the text; export the file as UTF-8 again.")
        return text


class Items(NamedTuple):
    """The items of a file.

    Attributes:
        values: place and value of every item.
        names: of the tags, where the file numbers them; else empty.
    """

    values: list[tuple[str, Any]]
    names: tuple[str, ...]


def is_json(source: Source) -> bool:
    """Whether a file holds JSON: by its start and, where that could be a text too, by its name or by all of it."""
    if source.path.is_dir():
        return False
    text = _without_assignment(source)
    if not text.lstrip().startswith(("{", "[")):
        return False
    if source.path.suffix.lower() in SUFFIXES or CERTAIN.match(text):
        return True
    return _holds_json(text.strip().split("\n")[0]) or _holds_json(text)


def _without_assignment(source: Source) -> str:
    return ASSIGNMENT.sub("", source.text, count=1) if ASSIGNMENT.match(source.text) else source.text


def _holds_json(text: str) -> bool:
    """Whether a text is an object or an array; one of numbers alone, such as `[1]`, is taken for text."""
    try:
        value = read_value(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) or any(isinstance(item, (str, list, dict)) for item in value)


def json_items(source: Source) -> Items:
    """The items of a JSON file.

    Raises:
        DataError: if the file is no JSON, or holds no list of items or several.
    """
    text = _without_assignment(source)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    try:
        first = read_value(lines[0][1])
    except (ValueError, RecursionError):
        return _unwrapped(source.path, lines[0][0], _parsed(source.path, text, 1))
    if len(lines) == 1:
        return _unwrapped(source.path, lines[0][0], first)
    values: list[tuple[str, Any]] = []
    names: tuple[str, ...] = ()
    for number, line in lines:
        value = _parsed(source.path, line, number)
        if isinstance(value, dict) and not is_item(value) and tag_names(value):
            names = tag_names(value)  # a line of its own for the names of the tags
        else:
            values.append((f"line {number}", value))
    return Items(values, names)


def is_item(value: Any) -> bool:
    """Whether a value can be one labelled text, as against a list or a table of them."""
    if isinstance(value, str):
        return True
    if isinstance(value, list):
        return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("data"), dict) or isinstance(value.get("paragraphs"), list):
        return True
    if any(isinstance(value.get(key), str) for key in TEXT_KEYS):
        return True
    return any(
        isinstance(value.get(key), list) and not any(isinstance(word, (list, dict)) for word in value[key])
        for key in WORD_KEYS
    ) and not any(isinstance(cell, list) for key in ("label", "labels") for cell in _first(value.get(key)))


def tag_names(value: Any) -> tuple[str, ...]:
    """Names of tags by number, wherever an object of a file lists them; empty if it does not.

    They stand under `names`, `label_names`, `id2label` or `label2id`, or inside `features` as Hugging Face writes them.
    """
    if not isinstance(value, dict):
        return ()
    for key in ("names", "label_names", "id2label"):
        names = value.get(key)
        if isinstance(names, dict):
            names = [names.get(str(number)) for number in range(len(names))]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    numbers = value.get("label2id")
    if isinstance(numbers, dict) and all(type(number) is int for number in numbers.values()):
        names = sorted(numbers, key=lambda name: int(numbers[name]))
        if names and [numbers[name] for name in names] == list(range(len(names))):
            return tuple(names)
    return _feature_names(value["features"]) if "features" in value else ()


def _feature_names(features: Any) -> tuple[str, ...]:
    """Names of the tags in a description of columns: the column of the tags, else the only one with names."""
    if isinstance(features, list):  # a list of columns, each with its name
        features = {column.get("name"): column for column in features if isinstance(column, dict)}
    if not isinstance(features, dict):
        return ()
    named = {key: names for key, column in features.items() if (names := next(_named(column, 6), ()))}
    for key in ("ner_tags", "ner", "tags", "labels"):
        if key in named:
            return named[key]
    return next(iter(named.values())) if len(named) == 1 else ()


def _named(value: Any, depth: int) -> Iterator[tuple[str, ...]]:
    """Lists of names inside a description of one column."""
    if depth == 0 or not isinstance(value, (dict, list)):
        return
    if isinstance(value, dict) and (names := tag_names({"names": value.get("names")})):
        yield names
    for inner in value.values() if isinstance(value, dict) else value:
        yield from _named(inner, depth - 1)


def _unwrapped(path: Path, line: int, content: Any) -> Items:
    """Items of a file that is one JSON value, which starts in a line."""
    names = tag_names(content)
    if is_item(content):
        return Items([(f"line {line}", content)], names)
    if isinstance(content, dict):
        content = _list_inside(path, content)
    if not isinstance(content, list):
        raise DataError(f"{path} holds {excerpt(repr(content))}; give a list of objects with a text or tokens.")
    values = [(f"item {number}", _row(value)) for number, value in enumerate(content, 1) if value is not None]
    return Items(values, names)


def _row(value: Any) -> Any:
    """The row inside an entry of a page of Hugging Face's viewer; any other value as it is."""
    return value["row"] if isinstance(value, dict) and isinstance(value.get("row"), dict) else value


def _list_inside(path: Path, content: dict[str, Any]) -> list[Any]:
    """The one list of items inside an object, or the rows of a table of columns."""
    table = _table(content)
    if table is not None:
        return table
    lists = {
        key: value
        for key, value in content.items()
        if isinstance(value, list) and value and any(isinstance(item, dict) or is_item(item) for item in value)
        if key != "features" and not all(isinstance(item, str) for item in value)
    }
    if len(lists) == 1:
        return next(iter(lists.values()))
    if lists:
        raise DataError(
            f"{path} holds several lists ({excerpt(', '.join(lists))}); save the one that is meant as a file."
        )
    raise DataError(
        f"{path} holds {'an empty list' if [] in content.values() else 'no text and no list of texts'}; give objects "
        'such as {"text": ..., "spans": [[start, end, type], ...]} or {"tokens": [...], "ner_tags": [...]}.'
    )


def _table(content: dict[str, Any]) -> list[Any] | None:
    """The rows of a table that is written column by column, as pandas and `datasets` do; None if it is no table."""
    if not any(key in content for key in (*TEXT_KEYS, *WORD_KEYS)):
        return None
    columns = {
        key: list(column.values()) if isinstance(column, dict) else column
        for key, column in content.items()
        if isinstance(column, (dict, list))
    }
    key = next((key for key in (*WORD_KEYS, *TEXT_KEYS) if columns.get(key)), None)
    if key is None or not all(
        isinstance(cell, str) or (isinstance(cell, list) and all(isinstance(word, str) for word in cell))
        for cell in columns[key]
    ):
        return None
    rows = len(columns[key])
    columns = {key: column for key, column in columns.items() if len(column) == rows}
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _first(value: Any) -> list[Any]:
    """The first element of a list, as a list; empty for everything else."""
    return value[:1] if isinstance(value, list) else []


def _parsed(path: Path, text: str, line: int) -> Any:
    """A JSON value that starts in a line of a file."""
    try:
        return read_value(text)
    except json.JSONDecodeError as error:
        reason, line = f"{error.msg}, column {error.colno}", line + error.lineno - 1
    except RecursionError:
        reason = "nested too deep"
    except ValueError as error:
        reason = str(error)
    raise DataError(f"{path}, line {line} is no JSON ({excerpt(reason)}); repair it or export the file again.")
