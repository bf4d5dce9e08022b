"""Borders of marked spans: white space goes, the punctuation of the sentence too, that of an abbreviation stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.own.trimming import trimmed

TEXTS = st.text(st.sampled_from("ab .,!\n\"'U京。"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("before", "marked", "after", "left"),
    [
        ("", "Bob ", "lives", "Bob"),
        ("in", " \tRome\n", "", "Rome"),
        ("in ", "Berlin.", "", "Berlin"),
        ("in ", "Berlin.", "\nShe left.", "Berlin"),
        ('in "', "Berlin.", '"', "Berlin"),
        ("in ", "Berlin.", " She left.", "Berlin"),
        ("at ", "Brown Univ.", " Press", "Brown Univ."),
        ("by ", "Gov.", " Smith", "Gov."),
        ("a ", "v.", " b", "v."),
        ("in ", "Berlin .", "", "Berlin"),
        ("to ", "Paris, ", "he went", "Paris"),
        ("在", "北京。", "", "北京"),
        ("to ", "Paris!?", "", "Paris"),
        ("at ", "Apple Inc.", "", "Apple Inc."),
        ("in the ", "U.S.", "", "U.S."),
        ("by ", "John F.", "", "John F."),
        ("at ", "Yahoo!", " it says", "Yahoo!"),
        ("at ", "St.", " Pauls", "St."),
        ("a ", ".", "", "."),
        ("a ", "...", "", "..."),
        ("a ", "  ", "b", ""),
    ],
)
def test_what_is_left_of_a_span(before: str, marked: str, after: str, left: str) -> None:
    text = before + marked + after
    start, end = trimmed(text, len(before), len(before) + len(marked))
    assert text[start:end] == left


@given(TEXTS, st.data(), st.booleans())
def test_only_borders_move_and_only_inwards(text: str, data: st.DataObject, punctuation: bool) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    first, last = trimmed(text, start, end, punctuation)
    assert start <= first <= last <= end
    assert not any(character.isalnum() for character in text[start:first] + text[last:end])
    assert trimmed(text, first, last, punctuation) == (first, last)
