"""Names of types as words."""

from __future__ import annotations

import numpy as np
import pytest

from metamann.episodes.sentences.type_names import TypeNames, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("person-artist/author", ("person", "artist", "author")),
        ("album_title", ("album", "title")),
        ("PER", ("PER",)),
        ("Straße 4", ("Straße", "4")),
        ("--", ("--",)),
        ("", ("",)),
    ],
)
def test_names_are_parted_by_anything_but_letters_and_digits(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


def test_each_episode_has_the_names_of_its_types_in_their_order() -> None:
    text = TypeNames(("a b", "c", "d e f")).text([np.array([2, 0]), np.array([1])])
    assert text.words.shape == (2, 2, 3)
    read = [[[text.lexicon[word] for word in name if word >= 0] for name in names] for names in text.words.tolist()]
    assert read == [[["d", "e", "f"], ["a", "b"]], [["c"], []]]


def test_no_types_have_no_names() -> None:
    assert TypeNames(()).text([np.array([], dtype=np.int64)]).words.shape == (1, 0, 0)
