"""The units of the offsets in a file: code points, UTF-16 units (JavaScript, Java) or UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from metamann.data.own.documents import Document, Mark
from metamann.data.own.tokens import tokenise
from metamann.errors import DataError

ONE_LINE_END = "line ends of two characters as one"
WIDTHS = {
    "code points": lambda character: 1,
    "UTF-16 units": lambda character: 1 + (character > "\uffff"),
    "UTF-8 bytes": lambda character: len(character.encode()),
    ONE_LINE_END: lambda character: int(character != "\r"),
}
SHIFTS = {"one too large": (-1, -1), "one too large at the start": (-1, 0), "one too small at the end": (0, 1)}
FEWEST_SHIFTED = 2  # marks that must agree on it
NOWHERE = -1  # an offset inside a character


class Fit(NamedTuple):
    """The fit of marks to their texts; larger is better.

    Attributes:
        borders: marks that cover what they say or, where they say nothing, start and end at borders of words.
        words: marks whose first and last character are letters or digits, or that have none of these.
        likely: marks of `words` that start at the border of a word.
    """

    borders: int
    words: int
    likely: int


def in_code_points(path: Path, documents: Sequence[Document]) -> tuple[list[Document], str]:
    """The documents with offsets in code points, and the units that the file counts in.

    The units are those in which most marks fit their texts, from one border of words to another; code points unless
    others fit more. A mark that ends inside a word says nothing against code points: it may be meant so.

    Args:
        path: of the file, for errors.
        documents: all of the file.

    Raises:
        DataError: if the marks fit only when all are shifted.
    """
    candidates = {"code points": list(documents)}
    candidates |= {unit: [_converted(document, unit) for document in documents] for unit in _other_units(documents)}
    fits = {unit: _fit(converted) for unit, converted in candidates.items()}
    marks = sum(len(document.marks or ()) for document in documents)
    unit = max(fits, key=lambda unit: fits[unit][:2])  # the first of equals: code points
    if fits["code points"].likely == marks:
        unit = "code points"
    if not fits[unit].borders:
        _refuse_shifted(path, documents)
    return candidates[unit], unit


def other_units(documents: Sequence[Document]) -> tuple[str, ...]:
    """Units that offsets taken for code points may count as well: in them all marks fit too, but elsewhere.

    Args:
        documents: all of a file, with offsets in code points.
    """
    if any(mark.text is not None for document in documents for mark in document.marks or ()):
        return ()  # the file says what is meant
    marks = sum(len(document.marks or ()) for document in documents)
    possible = []
    for unit in _other_units(documents):
        converted = [_converted(document, unit) for document in documents]
        differs = any(one.marks != other.marks for one, other in zip(documents, converted, strict=True))
        if differs and _fit(converted).borders == marks:
            possible.append(unit)
    return tuple(possible)


def _other_units(documents: Sequence[Document]) -> list[str]:
    """Units that differ from code points in some of the texts."""
    foreign = not all(document.text.isascii() for document in documents)
    broken = any("\r\n" in document.text for document in documents)
    return [unit for unit in list(WIDTHS)[1:] if (broken if unit == ONE_LINE_END else foreign)]


def _converted(document: Document, unit: str) -> Document:
    if not document.marks or (document.text.isascii() and unit != ONE_LINE_END):
        return document
    ends = list(accumulate(map(WIDTHS[unit], document.text)))
    position = {offset: number for number, offset in enumerate([0, *ends])}

    def converted(offset: int) -> int:
        # what lies beyond the text stays beyond it
        beyond = len(document.text) + offset - ends[-1]
        return position.get(offset, NOWHERE if offset < ends[-1] else beyond)

    marks = (mark._replace(start=converted(mark.start), end=converted(mark.end)) for mark in document.marks)
    return document._replace(marks=tuple(marks))


def _fit(documents: Sequence[Document]) -> Fit:
    borders = words = likely = 0
    for document in documents:
        if not document.marks:
            continue
        text = document.text
        tokens = document.words or tokenise(text)
        starts, ends = {start for start, _ in tokens}, {end for _, end in tokens}
        for mark in document.marks:
            if not 0 <= mark.start < mark.end <= len(text):
                continue
            covers = covers_text(text, mark)
            borders += mark.start in starts and mark.end in ends if covers is None else covers
            signs = [character.isalnum() for character in text[mark.start : mark.end]]
            whole = not any(signs) or (signs[0] and signs[-1])
            words += whole
            likely += whole and covers is not False and mark.start in starts
    return Fit(borders, words, likely)


def covers_text(text: str, mark: Mark) -> bool | None:
    """Whether a mark covers its stated text, except for white space; None if it has none."""
    if mark.text is None:
        return None
    return _folded(text[mark.start : mark.end]) == _folded(mark.text)


def _folded(text: str) -> str:
    return "".join(text.replace("\\n", " ").split())


def _refuse_shifted(path: Path, documents: Sequence[Document]) -> None:
    """Offsets that count from 1, or to the last character, would cut words into pieces."""
    marks = sum(len(document.marks or ()) for document in documents)
    if marks < FEWEST_SHIFTED:
        return
    for name, (start, end) in SHIFTS.items():
        shifted = [
            document._replace(
                marks=tuple(
                    mark._replace(start=mark.start + start, end=mark.end + end) for mark in document.marks or ()
                )
            )
            for document in documents
        ]
        if _fit(shifted).borders == marks:
            raise DataError(
                f"{path}: the offsets of all {marks} spans are {name}. Count characters from 0; the end is one past "
                "the last character."
            )
