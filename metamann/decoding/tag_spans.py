"""Entities in the tag numbers of an episode, and back.

Under `bio` tags are read as the scorer of CoNLL reads them: an entity starts at B, and at an I whose previous token is
not of its class. So any sequence has one reading. The strict reading leaves entities out that start at an I.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metamann.data.sentences.store import Span
from metamann.episodes.sentences.tagging import TagScheme, number_tags, read_classes


class FoundSpans(NamedTuple):
    """The entities of many sentences, sorted by sentence and start.

    Attributes:
        sentence: `spans`, row of the sentence.
        start: `spans`, first token.
        end: `spans`, one past the last token.
        number: `spans`, class number of the episode.
    """

    sentence: np.ndarray
    start: np.ndarray
    end: np.ndarray
    number: np.ndarray


def find_spans(tags: np.ndarray, scheme: TagScheme, strict: bool = False) -> FoundSpans:
    """Entities that tags mark; under `io` the longest runs of one class.

    Args:
        tags: `sentences x length`, negative for padding.
        scheme: of the tags.
        strict: under `bio`, leave out entities that do not start with B.
    """
    classes, begins = read_classes(scheme, tags)
    before = np.pad(classes[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    goes_on = (classes >= 0) & (classes == before) & ~begins
    last = (classes >= 0) & ~np.pad(goes_on[:, 1:], ((0, 0), (0, 1)))
    sentence, start = np.nonzero((classes >= 0) & ~goes_on)
    end = np.nonzero(last)[1] + 1
    spans = FoundSpans(sentence, start, end, classes[sentence, start])
    if strict and scheme == "bio":
        legal = begins[sentence, start]
        spans = FoundSpans(*(array[legal] for array in spans))
    return spans


def write_spans(spans: FoundSpans, shape: tuple[int, int], scheme: TagScheme) -> np.ndarray:
    """Tags of sentences with these entities, `sentences x length`, O elsewhere.

    Args:
        spans: not overlapping.
        shape: number of sentences, and their length.
        scheme: of the tags.
    """
    classes, begins = np.full(shape, -1), np.zeros(shape, dtype=bool)
    steps = np.arange(shape[1])
    inside = (steps >= spans.start[:, None]) & (steps < spans.end[:, None])  # spans x length
    which, token = np.nonzero(inside)
    classes[spans.sentence[which], token] = spans.number[which]
    begins[spans.sentence, spans.start] = True
    return number_tags(scheme, classes, begins)


def named_spans(tags: Sequence[int], types: Sequence[str], scheme: TagScheme) -> tuple[Span, ...]:
    """Entities of one sentence by the names of their types.

    Args:
        tags: `length`.
        types: names of the classes, in the order of the class numbers.
        scheme: of the tags.
    """
    spans = find_spans(np.array([tags], dtype=np.int64).reshape(1, -1), scheme)
    return tuple(
        Span(int(start), int(end), types[number])
        for start, end, number in zip(spans.start, spans.end, spans.number, strict=True)
    )
