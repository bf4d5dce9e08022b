"""Units of offsets: a file in code points, UTF-16 units or bytes gives the same marks; shifted offsets are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.own.documents import Document, Mark
from metamann.data.own.offsets import in_code_points
from metamann.errors import DataError

FILE = Path("file.json")
WORDS = st.sampled_from(["Ada", "in", "Rome", "😀", "👩‍🔬", "Zoë", "北京", "Köln,", "e\u0301t", "𠮷", "\u2013", "U.S."])
UNITS = {"code points": "utf-32-le", "UTF-16 units": "utf-16-le", "UTF-8 bytes": "utf-8"}
SIZES = {"code points": 4, "UTF-16 units": 2, "UTF-8 bytes": 1}


@st.composite
def documents(draw: st.DrawFn) -> list[Document]:
    """Texts of words, some of which are marked."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        words = draw(st.lists(WORDS, min_size=1, max_size=8))
        marks, start = [], 0
        for word in words:
            plain = word.strip(",")
            if draw(st.booleans()) and any(map(str.isalnum, plain)):
                marks.append(Mark(start, start + len(plain), draw(st.sampled_from("xy"))))
            start += len(word) + 1
        found.append(Document(f"line {number}", " ".join(words), tuple(marks)))
    return found


def counted(document: Document, unit: str, says: bool = False) -> Document:
    """The document as a file writes it that counts in a unit."""

    def offset(position: int) -> int:
        return len(document.text[:position].encode(UNITS[unit])) // SIZES[unit]

    marks = [
        Mark(offset(mark.start), offset(mark.end), mark.type, document.text[mark.start : mark.end] if says else None)
        for mark in document.marks or ()
    ]
    return document._replace(marks=tuple(marks))


def covered(documents: Sequence[Document]) -> list[list[tuple[str, str]]]:
    return [
        [(document.text[mark.start : mark.end].strip(), mark.type) for mark in document.marks or ()]
        for document in documents
    ]


@given(documents(), st.sampled_from(sorted(UNITS)))
def test_marks_that_say_what_they_cover_are_found_in_every_unit(corpus: list[Document], unit: str) -> None:
    written = [counted(document, unit, says=True) for document in corpus]
    converted, _ = in_code_points(FILE, written)
    assert covered(converted) == covered(corpus)


@given(documents(), st.sampled_from(sorted(UNITS)))
def test_marks_of_words_between_emoji_and_accents_are_found_in_every_unit(corpus: list[Document], unit: str) -> None:
    """A word in blanks is covered by one reading alone, so nothing is shifted, whatever stands before it."""
    start = Document("line 0", "😀é Ada", (Mark(3, 6, "person"),))
    converted, found = in_code_points(FILE, [counted(document, unit) for document in (start, *corpus)])
    assert found == unit
    assert covered(converted) == covered([start, *corpus])


def test_code_points_win_where_two_units_fit() -> None:
    document = Document("line 1", "北京 😀", (Mark(0, 2, "city"),))
    assert in_code_points(FILE, [document]) == ([document], "code points")


def test_a_mark_that_only_ends_inside_a_word_is_in_code_points() -> None:
    document = Document("line 1", "京都ab", (Mark(0, 3, "x"),))  # as bytes it would be the first sign
    assert in_code_points(FILE, [document])[1] == "code points"


def test_chinese_after_an_emoji_is_told_by_the_sign_that_would_not_be_marked() -> None:
    document = Document("line 1", "😀我在北京见到王小明。", (Mark(4, 6, "city"), Mark(8, 11, "person")))
    (converted,), unit = in_code_points(FILE, [document])
    assert unit == "UTF-16 units"
    assert covered([converted]) == [[("北京", "city"), ("王小明", "person")]]


def test_the_unit_is_that_of_the_whole_file() -> None:
    documents = [
        Document("line 1", "😀😀 Ada", (Mark(5, 8, "person"),)),  # UTF-16
        Document("line 2", "Ada", (Mark(0, 3, "person"),)),
    ]
    converted, unit = in_code_points(FILE, documents)
    assert unit == "UTF-16 units"
    assert covered(converted) == [[("Ada", "person")], [("Ada", "person")]]


def test_an_offset_inside_a_character_or_beyond_the_text_stays_wrong() -> None:
    document = Document("line 1", "😀 Ada 😀", (Mark(3, 6, "person"), Mark(1, 2, "x"), Mark(7, 99, "y")))
    (converted,), unit = in_code_points(FILE, [document])
    assert unit == "UTF-16 units"
    assert converted.marks is not None
    assert converted.marks[1].start < 0
    assert converted.marks[2].end > len(document.text)


@pytest.mark.parametrize(("start", "end", "message"), [(1, 1, "one too large"), (1, 0, "start"), (0, -1, "at the end")])
def test_offsets_that_are_all_shifted_are_refused(start: int, end: int, message: str) -> None:
    marks = tuple(Mark(first + start, last + end, "x") for first, last in ((0, 3), (7, 11)))
    with pytest.raises(DataError, match=f"offsets of all 2 spans are .*{message}"):
        in_code_points(FILE, [Document("line 1", "Ada in Rome", marks)])


def test_one_bad_mark_is_no_shift() -> None:
    documents = [Document("line 1", "Ada in Rome", (Mark(1, 4, "x"),))]
    assert in_code_points(FILE, documents) == (documents, "code points")
