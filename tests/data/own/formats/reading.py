"""Shared by the tests of formats: write a file, find its format, read it."""

from __future__ import annotations

import json
from pathlib import Path

from metamann.data.own.documents import Document
from metamann.data.own.formats import Content, Source, known_format


def read(folder: Path, content: str | bytes, name: str = "file.txt") -> Content:
    """What a file holds whose name says nothing."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = Source(path)
    found = known_format(source)
    assert found is not None
    return found.read(source)


def lines(*values: object) -> str:
    """JSON lines."""
    return "\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n"


def marked(document: Document) -> list[tuple[str, str]]:
    """What the marks of a document cover, and their types."""
    assert document.marks is not None
    return [(document.text[mark.start : mark.end], mark.type) for mark in document.marks]


def words(document: Document) -> list[str]:
    """The words that the file cuts a document into."""
    assert document.words is not None
    return [document.text[start:end] for start, end in document.words]
