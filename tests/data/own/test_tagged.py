"""Words with tags of a whole file: one scheme, missing tags refused with their place or read as O."""

from __future__ import annotations

from pathlib import Path

import pytest
from messages import names

from metamann.data.own.documents import TaggedSentence
from metamann.data.own.tagged import read_tagged
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError

FILE = Path("own.conll")


def sentence(text: str, first: int = 1) -> TaggedSentence:
    """Words and tags set apart by `/`; a word without one has no tag."""
    pairs = [pair.partition("/") for pair in text.split()]
    places = tuple(f"line {number}" for number in range(first, first + len(pairs)))
    return TaggedSentence(tuple(word for word, _, _ in pairs), tuple(tag or None for _, _, tag in pairs), places)


def test_the_scheme_is_that_of_all_sentences() -> None:
    file = read_tagged(FILE, [sentence("a/B-x b/I-x"), sentence("c/S-y d/B-x e/E-x", 4), sentence("f/O", 8)][1:])
    assert file.scheme == ", IOBES"
    file = read_tagged(FILE, [sentence("a/I-x b/I-x"), sentence("c/B-x d/O", 4)])
    assert file.scheme == ", IOB2"
    (note,) = file.notes()
    assert names(note, "1 of 4 tags", "IOB2 would not", " line 1")


def test_a_missing_tag_is_refused_with_its_place_or_read_as_outside() -> None:
    rows = [sentence("a/B-x b/O"), sentence("c/O d e/B-x", 4)]
    with pytest.raises(DataError, match=r"own\.conll, line 5: 'd' has no tag.*untagged=outside"):
        read_tagged(FILE, rows)
    file = read_tagged(FILE, rows, untagged="outside")
    assert file.sentences[1] == Sentence(("c", "d", "e"), (Span(2, 3, "x"),))
    assert file.notes() == ("1 of 5 words have no tag and read as O, the first in line 5",)


def test_a_sentence_without_tags_among_tagged_ones_is_refused() -> None:
    rows = [sentence("a/B-x b/O"), sentence("c d", 4)._replace(tags=None)]
    with pytest.raises(DataError, match=r"line 4: 'c' has no tag"):
        read_tagged(FILE, rows)
    assert read_tagged(FILE, rows, untagged="outside").sentences[1] == Sentence(("c", "d"), ())


def test_a_file_without_any_tag_has_words_alone() -> None:
    file = read_tagged(FILE, [sentence("a b"), sentence("c", 4)._replace(tags=None)])
    assert file.sentences == (Sentence(("a", "b"), ()), Sentence(("c",), ()))
    assert (file.scheme, file.notes()) == ("", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/B-x b/I-x c/city", "line 3: .*'city' .*scheme IOB2.*set scheme or tag_column"),
        ("a/city b c/O d/B-x e/city", "line 4: tag 'B-x' has a letter.*set scheme=IO"),
        ("a/O b/B-", "line 2: tag 'B-'"),
    ],
)
def test_a_tag_of_no_spelling_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tagged(FILE, [sentence(text)], untagged="outside")


def test_a_very_long_tag_is_quoted_in_short() -> None:
    with pytest.raises(DataError, match="line 2: tag 'yyy") as error:
        read_tagged(FILE, [sentence("a/B-x b/" + "y" * 1_000_000 + " c/O d/B-x")])
    assert len(str(error.value)) <= 300
    assert str(error.value).endswith("set scheme or tag_column.")
