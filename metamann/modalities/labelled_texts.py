"""Labelled texts, cut into words: spans of characters become spans of words, or are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from metamann.data.own.tokens import tokenise
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError, excerpt


class SentenceQuery(NamedTuple):
    """A text cut into words.

    Attributes:
        text: as it was given; words that were given are joined by blanks.
        words: first character of each, and one past its last.
    """

    text: str
    words: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words themselves."""
        return tuple(self.text[start:end] for start, end in self.words)


class SentenceExample(NamedTuple):
    """A text with its entities.

    Attributes:
        query: the text and its words.
        spans: of words, sorted, not overlapping.
    """

    query: SentenceQuery
    spans: tuple[Span, ...]

    @property
    def labels(self) -> tuple[str | None, ...]:
        """Of the entity that each word is in; None outside of entities."""
        types = {word: span.type for span in self.spans for word in range(span.start, span.end)}
        return tuple(types.get(word) for word in range(len(self.query.words)))


def of_words(words: Sequence[str]) -> SentenceQuery:
    """Words that were cut already, joined by blanks."""
    places, place = [], 0
    for word in words:
        places.append((place, place + len(word)))
        place += len(word) + 1
    return SentenceQuery(" ".join(words), tuple(places))


def of_sentence(sentence: Sentence) -> SentenceExample:
    """A sentence of a file, as an example."""
    return SentenceExample(of_words(sentence.tokens), sentence.spans)


def of_marks(text: str, marks: Any) -> SentenceExample:
    """A text cut into words, its spans of characters as spans of words.

    Raises:
        DataError: with text and span, if a span is none, lies outside, tears a word or overlaps another.
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
        shown = f"{excerpt(mark)} in {excerpt(repr(text))}"
        if not isinstance(mark, tuple | list) or len(mark) != 3:
            raise DataError(f"{shown} is no (start, end, label).")
        start, end, label = mark
        if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
            raise DataError(f"{shown} is no (start, end, label): two whole numbers and a name.")
        if not 0 <= start < end <= len(text):
            raise DataError(f"the span {shown} lies outside of its text of {len(text)} characters, or is empty.")
        if start not in starts or end not in ends:
            raise DataError(f"the span {shown} does not cover whole words; move its ends.")
        spans.append(Span(starts[start], ends[end], label))
    spans.sort()
    for before, after in pairwise(spans):
        if after.start < before.end:
            raise DataError(f"spans {before.type} and {after.type} in {excerpt(repr(text))} overlap; take one away.")
    return SentenceExample(query, tuple(spans))
