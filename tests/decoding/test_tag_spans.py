"""Spans in tags: plain loops agree, both ways; a sentence ends every span."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.sentences.store import Span
from metamann.decoding.tag_spans import find_spans, named_spans, write_spans

TYPES = ("a", "b", "c")
tags_of_io = st.lists(st.lists(st.integers(0, 3), max_size=8), max_size=4)
tags_of_bio = st.lists(st.lists(st.integers(0, 6), max_size=8), max_size=4)


def padded(rows: list[list[int]]) -> np.ndarray:
    tags = np.full((len(rows), max(map(len, rows), default=0)), -100)
    for row, values in enumerate(rows):
        tags[row, : len(values)] = values
    return tags


def by_hand(row: list[int], scheme: str) -> list[tuple[int, int, int]]:
    """One token at a time: what is open goes on, or is closed."""
    spans: list[tuple[int, int, int]] = []
    opened = None
    for position, tag in enumerate([*row, 0]):
        number = tag - 1 if scheme == "io" else (tag - 1) // 2
        begins = scheme == "bio" and tag % 2 == 1
        if opened is not None and (tag == 0 or number != opened[1] or begins):
            spans.append((opened[0], position, opened[1]))
            opened = None
        if opened is None and tag != 0:
            opened = (position, number)
    return spans


def listed(found: Any) -> list[tuple[int, ...]]:
    return [tuple(map(int, each)) for each in zip(*found, strict=True)]


@given(rows=tags_of_io)
def test_io_spans_are_runs_of_one_class_inside_a_sentence(rows: list[list[int]]) -> None:
    expected = [(number, *span) for number, row in enumerate(rows) for span in by_hand(row, "io")]
    assert listed(find_spans(padded(rows), "io")) == expected
    assert listed(find_spans(padded(rows), "io", strict=True)) == expected


@given(rows=tags_of_bio)
def test_bio_spans_are_those_of_conll_and_the_strict_ones_start_with_b(rows: list[list[int]]) -> None:
    expected = [(number, *span) for number, row in enumerate(rows) for span in by_hand(row, "bio")]
    assert listed(find_spans(padded(rows), "bio")) == expected
    strict = [span for span in expected if rows[span[0]][span[1]] % 2 == 1]
    assert listed(find_spans(padded(rows), "bio", strict=True)) == strict


@given(rows=tags_of_bio)
def test_written_spans_are_read_again(rows: list[list[int]]) -> None:
    found = find_spans(padded(rows), "bio")
    shape = padded(rows).shape
    assert listed(find_spans(write_spans(found, shape, "bio"), "bio")) == listed(found)
    io = write_spans(find_spans(padded(rows), "bio"), shape, "io")
    expected = np.where(padded(rows) > 0, (padded(rows) + 1) // 2, 0)
    np.testing.assert_array_equal(io, expected)


@given(row=st.lists(st.integers(0, 6), max_size=8))
def test_named_spans_have_the_names_of_their_classes(row: list[int]) -> None:
    expected = tuple(Span(start, end, TYPES[number]) for start, end, number in by_hand(row, "bio"))
    assert named_spans(row, TYPES, "bio") == expected


@pytest.mark.parametrize("scheme", ["io", "bio"])
def test_no_sentences_have_no_spans(scheme: Any) -> None:
    for shape in ((0, 0), (0, 4), (3, 0)):
        assert listed(find_spans(np.zeros(shape, dtype=np.int64), scheme)) == []
