"""brat's standoff files: a text and beside it, under the same name, an `.ann` file with its annotations.

A line of the text is a sentence. Of the annotations the entities (`T`) are read. An entity in several pieces is one if
only blanks lie between them, as where it goes over a line break; others are left out.

References:
    https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from metamann.data.own.documents import Document, Mark
from metamann.data.own.formats.source import Content, Format, Source, Tally, split_document
from metamann.data.text_files import read_text
from metamann.errors import DataError, excerpt

ENTITY = re.compile(r"T\d+\s+(\S+)\s+(\d+ \d+(?:;\d+ \d+)*)(?:\s(.*))?")
OTHER = re.compile(r"(?:[REAMN#]\d+|\*)\s")
START = re.compile(r"(?:[TREAMN#]\d+|\*)\s")
OTHERS = "lines of other annotations (relations, events, attributes, notes), left out"
PIECES = "entities in several pieces, left out"
BREAKS = "line breaks inside an entity, which do not end a sentence"
UNPAIRED = ".txt files without an .ann file, left out"
UNITS = "texts whose offsets count {}, converted"
FIRST = 20  # lines that are looked at


class _Entity(NamedTuple):
    """An entity as it stands in its file: its line, its type, first and last offset of its pieces, its text."""

    line: int
    type: str
    pieces: tuple[tuple[int, int], ...]
    text: str


class _Reading(NamedTuple):
    """A way to count the offsets of a text.

    Attributes:
        name: for people.
        positions: the character at each offset; None if an offset is the number of the character.
        shift: what an offset is more than that.
    """

    name: str
    positions: dict[int, int] | None
    shift: int = 0

    def position(self, offset: int) -> int:
        """The number of a character; -1 if the offset lies inside one or outside of the text."""
        offset -= self.shift
        return offset if self.positions is None else self.positions.get(offset, -1)


def is_brat(source: Source) -> bool:
    """Whether a folder has `.ann` files, a file is one, or a text has one beside it."""
    path = source.path
    if path.is_dir():
        return any(_is_ann(read_text(ann), named=True) for ann in _files(path, ".ann"))
    if path.suffix.lower() == ".txt" and (ann := path.with_suffix(".ann")).is_file():
        return _is_ann(read_text(ann), named=True)
    return _is_ann(source.text, named=path.suffix.lower() == ".ann")


def read_brat(source: Source) -> Content:
    """Read a pair of files, or all pairs in a folder.

    Raises:
        DataError: if a text is missing, or a line of the annotations is bad.
    """
    path = source.path
    anns = _files(path, ".ann") if path.is_dir() else [path]
    if path.suffix.lower() == ".txt" and path.with_suffix(".ann").is_file():
        anns = [path.with_suffix(".ann")]
    tally = Tally()
    documents: list[Document] = []
    for ann in anns:
        text = ann.with_suffix(".txt")
        if text == ann or not text.is_file():
            raise DataError(f"{ann} holds annotations of brat, but {text.name} is missing; put the text beside it.")
        documents += _read_pair(text, ann, tally)
    if path.is_dir():
        for text in _files(path, ".txt"):
            tally.add(UNPAIRED, text.name, not text.with_suffix(".ann").is_file())
    return Content(BRAT.name, tuple(documents), notes=tally.notes())


def _files(folder: Path, suffix: str) -> list[Path]:
    """Files below a folder, those with hidden names left out."""
    return sorted(
        path
        for path in folder.rglob(f"*{suffix}")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _is_ann(text: str, named: bool) -> bool:
    """Whether most of the first lines start as those of an `.ann` file.

    Args:
        text: of a file.
        named: whether its name says so: then no entity has to be among them, and the file may be blank.
    """
    lines = [line for line in text.split("\n")[:FIRST] if line.strip()]
    annotated = sum(START.match(line) is not None for line in lines)
    return (named or any(map(ENTITY.match, lines))) and 2 * annotated >= max(len(lines), not named)


def _read_pair(path: Path, ann: Path, tally: Tally) -> list[Document]:
    entities = _entities(ann, tally)
    text, reading = _reading(path, entities)
    if reading.name:
        tally.add(UNITS.format(reading.name), path.name)
    marks = []
    for entity in entities:
        pieces = [(reading.position(start), reading.position(end)) for start, end in entity.pieces]
        between = [text[end:start] for (_, end), (start, _) in pairwise(pieces)]
        if any(part.strip() for part in between):
            tally.add(PIECES, f"line {entity.line} of {ann.name}")
            continue
        (start, _), (_, end) = pieces[0], pieces[-1]
        covered = text[start:end]
        marks.append(Mark(start, end, entity.type, covered if _same(covered, entity.text) else entity.text or None))
    borders = [line_end.end() for line_end in re.finditer("\n", text)]
    document = Document(path.name, text, tuple(marks))
    parts, crossed = split_document(document, borders, "line {number} of {place}")
    tally.add(BREAKS, path.name, crossed)
    return parts


def _entities(ann: Path, tally: Tally) -> list[_Entity]:
    entities = []
    for number, line in enumerate(read_text(ann).split("\n"), 1):
        line = line.removesuffix("\r")
        match = ENTITY.fullmatch(line)
        if match:
            type_, offsets, text = match.groups()
            pieces = [piece.split(" ") for piece in offsets.split(";")]
            if any(len(digits) > 18 for piece in pieces for digits in piece):
                raise DataError(f"{ann}, line {number}: the offsets {excerpt(offsets)} are too large; repair the line.")
            entities.append(_Entity(number, type_, tuple((int(start), int(end)) for start, end in pieces), text or ""))
        elif OTHER.match(line):
            tally.add(OTHERS, f"line {number} of {ann.name}")
        elif line.strip():
            raise DataError(
                f"{ann}, line {number}: '{excerpt(line)}' should be T1, a tab, Type start end, a tab, and the text."
            )
    return entities


def _reading(path: Path, entities: list[_Entity]) -> tuple[str, _Reading]:
    """The text, and the first way of counting by which most entities cover the text of their lines."""
    spans = [(*entity.pieces[0], entity.text) for entity in entities if len(entity.pieces) == 1 and entity.text]
    most, best = -1, ("", _Reading("", None))
    for text, reading in _readings(read_text(path)):
        fitting = sum(
            _same(text[reading.position(start) : reading.position(end)], covered) for start, end, covered in spans
        )
        if fitting > most:
            most, best = fitting, (text, reading)
        if fitting == len(spans):
            break
    return best


def _readings(text: str) -> Iterator[tuple[str, _Reading]]:
    """Brat counts characters, a byte order mark too. Line breaks of two characters may have been read as one.

    What was annotated in a browser or written by other tools may count UTF-16 units or bytes.
    """
    texts = [text, text.replace("\r\n", "\n")]
    for shift in (0, 1):
        for plain in texts:
            yield plain, _Reading("", None, shift)
    if not text.isascii():
        for plain in texts:
            yield plain, _Reading("UTF-16 units", _positions(plain, "utf-16-le", 2))
            yield plain, _Reading("UTF-8 bytes", _positions(plain, "utf-8", 1))


def _positions(text: str, encoding: str, unit: int) -> dict[int, int]:
    """The number of the character at every offset that counts units of an encoding."""
    positions = {0: 0}
    offset = 0
    for number, character in enumerate(text, 1):
        offset += len(character.encode(encoding)) // unit
        positions[offset] = number
    return positions


def _same(covered: str, text: str) -> bool:
    """Whether a text equals that of a line, in which line breaks are blanks."""
    return covered.split() == text.split()


BRAT = Format("brat", is_brat, read_brat)
