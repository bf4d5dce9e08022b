"""Labelled texts, split into words: spans of characters become spans of words, or are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from metamann.data.own.tokens import tokenise
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError, excerpt


class SentenceQuery(NamedTuple):
    """A text split into words.

    Attributes:
        text: the text; a list of words is joined by blanks.
        words: for each word its first character, and one past its last.

    Examples:
        >>> of_words(["Ada", "wrote", "code"]).words
        ((0, 3), (4, 9), (10, 14))
    """

    text: str
    words: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words as text."""
        return tuple(self.text[start:end] for start, end in self.words)


class SentenceExample(NamedTuple):
    """A text with its entities.

    Attributes:
        query: the text and its words.
        spans: spans of words, sorted, not overlapping.

    Examples:
        >>> of_marks("Ada wrote code", [(0, 3, "person")]).labels
        ('person', None, None)
    """

    query: SentenceQuery
    spans: tuple[Span, ...]

    @property
    def labels(self) -> tuple[str | None, ...]:
        """For each word the label of the entity that contains it; None outside of entities."""
        types = {word: span.type for span in self.spans for word in range(span.start, span.end)}
        return tuple(types.get(word) for word in range(len(self.query.words)))


def of_words(words: Sequence[str]) -> SentenceQuery:
    """A list of words, joined by blanks."""
    places, place = [], 0
    for word in words:
        places.append((place, place + len(word)))
        place += len(word) + 1
    return SentenceQuery(" ".join(words), tuple(places))


def of_sentence(sentence: Sentence) -> SentenceExample:
    """An example of a sentence of a file."""
    return SentenceExample(of_words(sentence.tokens), sentence.spans)


def of_marks(text: str, marks: Any) -> SentenceExample:
    """An example of a text and its spans of characters.

    Raises:
        DataError: with text and span, if a span is malformed, outside of the text, splits a word or overlaps another.
    """
    query = SentenceQuery(text, tuple(tokenise(text)))
    if not query.words:
        raise DataError(f"{excerpt(repr(text))} has no words; leave it out.")
    if not isinstance(marks, Iterable) or isinstance(marks, str):
        raise DataError(f"the entities of {excerpt(repr(text))} must be a list of (start, end, label).")
    starts = {start: number for number, (start, _) in enumerate(query.words)}
    ends = {end: number + 1 for number, (_, end) in enumerate(query.words)}
    spans = []
    for mark in marks:
        place = f"{excerpt(mark)} in {excerpt(repr(text))}"
        if not isinstance(mark, tuple | list) or len(mark) != 3:
            raise DataError(f"{place} is no (start, end, label).")
        start, end, label = mark
        if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
            raise DataError(f"{place} is no (start, end, label): two whole numbers and a name.")
        if not 0 <= start < end <= len(text):
            raise DataError(f"the span {place} lies outside of its text of {len(text)} characters, or is empty.")
        if start not in starts or end not in ends:
            raise DataError(f"the span {place} does not cover whole words; move its ends.")
        spans.append(Span(starts[start], ends[end], label))
    spans.sort()
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise DataError(f"spans {before.type} and {after.type} in {excerpt(repr(text))} overlap; take one away.")
    return SentenceExample(query, tuple(spans))
