"""Flags of spelling: of a word, of its neighbours, and of no padding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from texts import SENTENCES, text

from metamann.encoders.spelling import FLAGS, SpellingEncoder, capitalised, flags_of


@pytest.mark.parametrize(
    ("word", "flags"),
    [
        ("London", {"starts upper"}),
        ("NATO", {"starts upper", "all upper", "upper inside"}),
        ("iPhone", {"starts lower", "upper inside"}),
        ("the", {"starts lower"}),
        ("2003", {"has a digit", "digits only"}),
        ("7-inch", {"has a digit", "has a hyphen or dot"}),
        (",", {"no letter or digit", "one character"}),
        ("Élan", {"starts upper"}),
        ("", {"no letter or digit"}),
    ],
)
def test_flags_of_a_word(word: str, flags: set[str]) -> None:
    assert {name for name, flag in zip(FLAGS, flags_of(word), strict=True) if flag} == flags


@given(SENTENCES)
def test_a_word_has_its_flags_between_those_of_its_neighbours(sentences: list[list[str]]) -> None:
    features = SpellingEncoder()(text(*sentences, length=8))[0]
    none = [False] * len(FLAGS)
    for row, sentence in enumerate(sentences):
        for place in range(8):
            expected: list[bool] = []
            for other in (place - 1, place, place + 1):
                inside = place < len(sentence) and 0 <= other < len(sentence)
                expected += flags_of(sentence[other]) if inside else none
            assert features[row, place].bool().tolist() == expected


def test_capitalised_words_have_an_upper_case_letter_anywhere() -> None:
    found = capitalised(text(["London", "iPhone", "the", "42"], ["NATO"]))
    assert found.tolist() == [[[True, True, False, False], [True, False, False, False]]]
    assert found.dtype == torch.bool
