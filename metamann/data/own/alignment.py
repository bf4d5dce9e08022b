"""Marks of characters become spans of words: trimmed, words split at their borders, the outermost of overlapping ones.

    text   Take 200mg of aspirin .        marks   dose 5-8, drug 13-21
    words  Take 200 mg of aspirin .       spans   dose 1-2, drug 4-5

White space at the borders of a mark is not part of it, nor is the full stop of its sentence or a comma after it, where
the file has not cut the text into words itself. A mark that covers no word, or not what it says, does not fit.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from metamann.data.own.documents import Document, Mark
from metamann.data.own.offsets import covers_text, in_code_points, other_units
from metamann.data.own.tagged import Untagged
from metamann.data.own.tokens import belongs_to_previous, tokenise
from metamann.data.own.trimming import trimmed
from metamann.data.sentences.store import Sentence, Span
from metamann.data.sentences.tags import OUTSIDE
from metamann.errors import DataError, excerpt

Spans = Literal["report", "error"]
Overlaps = Literal["outermost", "error"]


class Marked(NamedTuple):
    """The result of matching the marks of a file with its words.

    Attributes:
        sentences: in the order of the file, without texts of blanks alone.
        notes: decisions of the reader, one line for each.
    """

    sentences: tuple[Sentence, ...]
    notes: tuple[str, ...]


@dataclasses.dataclass
class _Tally:
    """Counts of the changes and omissions, with the first of each kind."""

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    first: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        self.first.setdefault(kind, what)

    def notes(self, **totals: int) -> tuple[str, ...]:
        return tuple(
            f"{count:,} of {kind.format(**totals)}, the first: {self.first[kind]}"
            for kind, count in self.counts.items()
        )


TRIMMED = "{spans:,} spans trimmed of blanks or punctuation at their borders"
WIDENED = "{spans:,} spans widened to whole signs"
TWICE = "{spans:,} spans marked twice, which count once"
INNER = "{spans:,} spans left out, since they overlap a longer one"
MISFIT = "{spans:,} spans left out, since they fit no words"
SPLIT = "{words:,} words split at the border of a span"


def read_documents(
    path: Path,
    documents: Sequence[Document],
    spans: Spans = "report",
    overlaps: Overlaps = "outermost",
    untagged: Untagged = "error",
) -> Marked:
    """The words and spans of a file's texts.

    Args:
        path: of the file, for errors.
        documents: its texts.
        spans: whether a span that fits no words is left out and reported, or an error.
        overlaps: whether the outermost of overlapping spans is taken, or they are an error.
        untagged: whether a text without labels among labelled ones is an error, or has no spans.

    Raises:
        DataError: with the file and the place.
    """
    unlabelled = [document.place for document in documents if document.marks is None]
    if unlabelled and len(unlabelled) < len(documents) and untagged == "error":
        raise DataError(
            f"{path}, {unlabelled[0]} has no labels, other texts have. Label it, or set untagged=outside to read such "
            "texts as without entities."
        )
    documents, unit = in_code_points(path, documents)
    tally = _Tally()
    reader = _Reader(path, spans, overlaps, tally)
    sentences = tuple(sentence for document in documents if (sentence := reader.sentence(document)).tokens)
    notes = [f"offsets count {unit} and were converted"] if unit != "code points" else []
    if unit == "code points" and (others := other_units(documents)):
        notes.append(f"offsets are taken to count code points, but fit as {' or '.join(others)} too; look at the spans")
    if unlabelled and len(unlabelled) < len(documents):
        notes.append(f"{len(unlabelled):,} of {len(documents):,} texts have no labels, the first: {unlabelled[0]}")
    marked = sum(len(document.marks or ()) for document in documents)
    words = sum(len(sentence.tokens) for sentence in sentences)
    return Marked(sentences, (*notes, *tally.notes(spans=marked, words=words)))


class _Borders(NamedTuple):
    """The borders of the words of a text, and whether its file has them."""

    starts: list[int]
    ends: list[int]
    of_file: bool

    def are_meant(self, start: int, end: int) -> bool:
        """Whether a mark is a run of words that the file itself has."""
        return self.of_file and _holds(self.starts, start) and _holds(self.ends, end)

    def contain_word(self, start: int, end: int) -> bool:
        """Whether a word, or a part of one, lies in a span."""
        after = bisect_right(self.ends, start)
        return start < end and after < len(self.starts) and self.starts[after] < end


def _holds(numbers: list[int], number: int) -> bool:
    position = bisect_left(numbers, number)
    return numbers[position : position + 1] == [number]


class _Reader(NamedTuple):
    """Reads the documents of one file."""

    path: Path
    spans: Spans
    overlaps: Overlaps
    tally: _Tally

    def sentence(self, document: Document) -> Sentence:
        """Words and spans of one text."""
        text = document.text
        if "\0" in text:
            raise DataError(f"{self.path}, {document.place}: the text has a NUL character; take it out.")
        words = tokenise(text) if document.words is None else list(document.words)
        borders = _Borders([start for start, _ in words], [end for _, end in words], document.words is not None)
        marks: dict[tuple[int, int, str], None] = {}
        for mark in document.marks or ():
            span = self._fitted_span(document, mark, borders)
            if span in marks:
                self.tally.add(TWICE, _named(document, mark))
            elif span is not None:
                marks[span] = None
        outermost = self._outermost(document, list(marks))
        words = self._split(document, words, [border for start, end, _ in outermost for border in (start, end)])
        starts, ends = [start for start, _ in words], [end for _, end in words]
        spans = tuple(
            Span(bisect_left(starts, start), bisect_right(ends, end), type_) for start, end, type_ in outermost
        )
        return Sentence(tuple(text[start:end] for start, end in words), spans)

    def _fitted_span(self, document: Document, mark: Mark, borders: _Borders) -> tuple[int, int, str] | None:
        """First character, end and type of a mark without what is not part of it; None if it does not fit."""
        text, (start, end, type_, covered) = document.text, mark
        if not type_.strip() or type_.strip().upper() == OUTSIDE:
            raise DataError(
                f"{self.path}, {document.place}: a span has the type '{excerpt(type_)}', which means no type; name it."
            )
        reason = ""
        if not 0 <= start < end <= len(text):
            reason = f"not inside the text, which has {len(text)} characters"
        elif covers_text(text, mark) is False:
            reason = f"the file says that it covers '{excerpt(covered)}'"
        else:
            start, end = trimmed(text, start, end, punctuation=not borders.are_meant(start, end))
            if not borders.contain_word(start, end):
                reason = "it covers no word"
        if reason:
            what = f"{_named(document, mark)}: {reason}"
            if self.spans == "error":
                raise DataError(f"{self.path}, {what}. Repair it, or set spans=report to go on without it.")
            self.tally.add(MISFIT, what)
            return None
        if (start, end) != (mark.start, mark.end):
            self.tally.add(TRIMMED, _named(document, mark))
        whole = _whole(text, start, end)
        if whole != (start, end):
            self.tally.add(WIDENED, _named(document, mark))
        return (*whole, type_.strip())

    def _outermost(self, document: Document, marks: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
        """The longest of those that overlap, of equally long ones the first; sorted."""
        retained: list[tuple[int, int, str]] = []
        for mark in sorted(marks, key=lambda mark: mark[0] - mark[1]):
            after = bisect_left(retained, mark)
            neighbours = retained[max(after - 1, 0) : after + 1]
            over = next((other for other in neighbours if other[0] < mark[1] and mark[0] < other[1]), None)
            if over is None:
                retained.insert(after, mark)
                continue
            what = f"{_named(document, Mark(*mark))} in {_named(document, Mark(*over), place=False)}"
            if self.overlaps == "error":
                raise DataError(f"{self.path}, {what}: spans overlap; repair them, or set overlaps=outermost.")
            self.tally.add(INNER, what)
        return retained

    def _split(self, document: Document, words: list[tuple[int, int]], borders: Sequence[int]) -> list[tuple[int, int]]:
        """The words, cut where a span starts or ends inside one."""
        inside: dict[int, list[int]] = {}
        starts = [start for start, _ in words]
        for border in sorted(set(borders)):
            number = bisect_right(starts, border) - 1
            if number >= 0 and words[number][0] < border < words[number][1]:
                inside.setdefault(number, []).append(border)
        if not inside:
            return words
        parts: list[tuple[int, int]] = []
        for number, (start, end) in enumerate(words):
            cuts = [start, *inside.get(number, ()), end]
            parts += pairwise(cuts)
            if number in inside:
                pieces = " ".join(document.text[first:last] for first, last in pairwise(cuts))
                self.tally.add(SPLIT, f"{document.place}, '{excerpt(pieces)}'")
        return parts


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """The borders of a span, extended so that they do not split an emoji, or a letter from its combining mark."""
    while belongs_to_previous(text, start):
        start -= 1
    while end < len(text) and belongs_to_previous(text, end):
        end += 1
    return start, end


def _named(document: Document, mark: Mark, place: bool = True) -> str:
    """A mark in words, for messages."""
    covered = document.text[max(mark.start, 0) : max(mark.end, 0)]
    where = f"{document.place}, " if place else ""
    return f"{where}'{excerpt(covered)}' (characters {mark.start} to {mark.end}, {excerpt(mark.type)})"
