"""What the formats share: their input, a file, and their output, its content."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from metamann.data.own.documents import Document, Mark, TaggedSentence
from metamann.data.text_files import decode, read_bytes


@dataclasses.dataclass(frozen=True)
class Source:
    """A file or folder of a user; its content is read once, on first use.

    Attributes:
        path: of the file or folder.

    Examples:
        >>> Source(Path("labelled.json")).path.suffix
        '.json'
    """

    path: Path

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file.

        Raises:
            DataError: if it cannot be read.
        """
        return read_bytes(self.path)

    @cached_property
    def text(self) -> str:
        """The text of the file without its byte order mark.

        Raises:
            DataError: if it cannot be read or is not UTF-8, with the line.
        """
        return decode(self.path, self.content)


class Content(NamedTuple):
    """The content of a file: documents or tagged sentences, never both.

    Attributes:
        format: its name for people, such as `Doccano`.
        documents: texts with marks, in the order of the file.
        sentences: words with tags, in the order of the file.
        notes: on omissions and decisions, one line for each, such as `relations, left out: 2, the first in line 7`.
    """

    format: str
    documents: tuple[Document, ...] = ()
    sentences: tuple[TaggedSentence, ...] = ()
    notes: tuple[str, ...] = ()


class Format(NamedTuple):
    """A format of labelled sentences.

    Attributes:
        name: for people.
        matches: whether a file has this format, judged by its content; its name is only a hint.
        read: reads a file for which `matches` is true; DataError names the fault and its place.
    """

    name: str
    matches: Callable[[Source], bool]
    read: Callable[[Source], Content]


class Tally:
    """Counts omissions and decisions of a reader, with the place of the first of each kind.

    Examples:
        >>> tally = Tally()
        >>> tally.add("relations, left out", "line 7", count=2)
        >>> tally.notes()
        ('relations, left out: 2, the first in line 7',)
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, what: str, place: str, count: int = 1) -> None:
        """Count an omission or a decision.

        Args:
            what: in the plural, such as `relations, left out`.
            place: in the file.
            count: number of cases.
        """
        if count:
            self._counts[what] = self._counts.get(what, 0) + count
            self._first.setdefault(what, place)

    def notes(self) -> tuple[str, ...]:
        """One line for each kind."""
        return tuple(f"{what}: {count:,}, the first in {self._first[what]}" for what, count in self._counts.items())


def split_document(document: Document, borders: Iterable[int], place: str) -> tuple[list[Document], int]:
    """A document cut into its sentences, each with the marks and words that begin in it.

    A border inside a mark does not cut. Sentences of blanks alone are left out unless a mark stands in them.

    Args:
        document: with offsets in code points.
        borders: first characters of the sentences after the first.
        place: of a sentence, such as `{place}, sentence {number}`: the document's and the number of the sentence.

    Returns:
        The sentences and the number of borders that lie inside a mark.
    """
    marks, text = document.marks or (), document.text
    inside = sorted({border for border in borders if 0 < border < len(text)})
    crossed = {
        border for mark in marks for border in inside[bisect_right(inside, mark.start) : bisect_left(inside, mark.end)]
    }
    starts = [0, *(border for border in inside if border not in crossed)]
    marks_of: list[list[Mark]] = [[] for _ in starts]
    for mark in marks:
        number = max(bisect_right(starts, mark.start) - 1, 0)
        marks_of[number].append(mark._replace(start=mark.start - starts[number], end=mark.end - starts[number]))
    words_of: list[list[tuple[int, int]]] = [[] for _ in starts]
    for first, last in document.words or ():
        number = bisect_right(starts, first) - 1
        words_of[number].append((first - starts[number], last - starts[number]))
    parts = [
        Document(
            place.format(place=document.place, number=bisect_right(inside, start) + 1) if inside else document.place,
            text[start:end],
            None if document.marks is None else tuple(marks_of[number]),
            None if document.words is None else tuple(words_of[number]),
        )
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True))
        if text[start:end].strip() or marks_of[number]
    ]
    return parts, len(crossed)
