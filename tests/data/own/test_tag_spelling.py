"""Spellings of tags: every common one gives the same spans as the plain one; what may be two things is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from metamann.data.own.tag_spelling import detect_spelling
from metamann.data.sentences.store import Span
from metamann.data.sentences.tags import Scheme, TagError, read_tags, write_tags

TYPES = ("person", "art-film", "người", "city_of", "x:y")


@st.composite
def corpora(draw: st.DrawFn, types: Sequence[str] = TYPES) -> list[tuple[int, tuple[Span, ...]]]:
    """Lengths and spans of sentences, at least one span and one word outside."""
    corpus = []
    for _ in range(draw(st.integers(1, 5))):
        spans: list[Span] = []
        end = 0
        for _ in range(draw(st.integers(0, 4))):
            start = end + draw(st.integers(0, 2))
            end = start + draw(st.integers(1, 4))
            spans.append(Span(start, end, draw(st.sampled_from(types))))
        corpus.append((end + 1, tuple(spans)))
    assume(any(spans for _, spans in corpus))
    return corpus


def respelled(letters: str, form: str = "{letter}-{type}", outside: str = "O") -> Callable[[str], str]:
    """Another spelling of a tag: the letters for B I E S, how they stand with the type, and what O is."""
    names = dict(zip("BIES", letters, strict=False))

    def spell(tag: str) -> str:
        return outside if tag == "O" else form.format(letter=names[tag[0]], type=tag[2:])

    return spell


IOBES_LETTERS = {"IOBES": "BIES", "BILUO": "BILU", "BMES": "BMES", "BMEWO": "BMEW", "BIEW": "BIEW"}
FORMS = {
    "usual": "{letter}-{type}",
    "underscore": "{letter}_{type}",
    "slash": "{letter}/{type}",
    "bar": "{letter}|{type}",
    "colon": "{letter}:{type}",
    "suffix": "{type}-{letter}",
    "underscore suffix": "{type}_{letter}",
}
OUTSIDE = ("O", "o", "0", "OUT", "Outside", "none", "NULL", "_", "-", "*")


@given(corpora(), st.sampled_from(sorted(IOBES_LETTERS)), st.sampled_from(sorted(FORMS)), st.sampled_from(OUTSIDE))
def test_every_spelling_of_iobes_gives_the_same_spans(
    corpus: list[tuple[int, tuple[Span, ...]]], letters: str, form: str, outside: str
) -> None:
    spell = respelled(IOBES_LETTERS[letters], FORMS[form], outside)
    plain = [write_tags(length, spans, "IOBES") for length, spans in corpus]
    written = [[spell(tag) for tag in row] for row in plain]
    assume(form == "usual" or any(tag[0] == "B" for row in plain for tag in row))  # singles alone may be types
    spelling = detect_spelling(written)
    assert [spelling.read(row).spans for row in written] == [spans for _, spans in corpus]


@given(corpora(), st.sampled_from(sorted(FORMS)), st.booleans(), st.sampled_from(OUTSIDE))
def test_every_spelling_of_iob2_gives_the_same_spans(
    corpus: list[tuple[int, tuple[Span, ...]]], form: str, small: bool, outside: str
) -> None:
    shape = FORMS[form]
    small = small and shape.startswith("{letter}")
    spell = respelled("bi" if small else "BI", shape, outside)
    written = [[spell(tag) for tag in write_tags(length, spans, "IOB2")] for length, spans in corpus]
    spelling = detect_spelling(written)
    assert spelling.name == "IOB2"
    assert [spelling.read(row) for row in written] == [(spans, ()) for _, spans in corpus]


@given(corpora(("person", "city")))
def test_spans_that_say_only_their_last_word_are_read(corpus: list[tuple[int, tuple[Span, ...]]]) -> None:
    """IOE2: mirrored, it is IOB2."""

    def ends(length: int, spans: tuple[Span, ...]) -> list[str]:
        tags = ["O"] * length
        for start, end, type_ in spans:
            tags[start:end] = [f"I-{type_}"] * (end - start - 1) + [f"E-{type_}"]
        return tags

    rows = [ends(length, spans) for length, spans in corpus]
    spelling = detect_spelling(rows)
    assert [spelling.read(row) for row in rows] == [(spans, ()) for _, spans in corpus]


@given(corpora(("entity",)))
def test_letters_without_a_type_are_spans_of_one_type(corpus: list[tuple[int, tuple[Span, ...]]]) -> None:
    rows = [[tag[0] for tag in write_tags(length, spans, "IOB2")] for length, spans in corpus]
    spelling = detect_spelling(rows)
    assert [spelling.read(row).spans for row in rows] == [spans for _, spans in corpus]


@given(corpora(("person", "city", "e-mail", "i-phone")))
def test_types_alone_stay_types(corpus: list[tuple[int, tuple[Span, ...]]]) -> None:
    rows = [write_tags(length, spans, "IO") for length, spans in corpus]
    assume(any(span.type in ("person", "city") for _, spans in corpus for span in spans))
    spelling = detect_spelling(rows)
    assert spelling.name == "IO"
    assert [spelling.read(row) for row in rows] == [read_tags(row, "IO") for row in rows]


@pytest.mark.parametrize(
    ("rows", "described"),
    [
        (["B-a I-a O", "S-b O"], "IOBES"),
        (["B-a L-a O", "U-b O"], "BILUO"),
        (["B-a M-a E-a O"], "BMES"),
        (["B-a M-a E-a W-b O"], "BMEWO"),
        (["I-a I-a B-a O"], "IOB1"),
        (["B_a I_a OUT"], "IOB2 (B_TYPE, OUT for O)"),
        (["a-B a-I O"], "IOB2 (TYPE-B)"),
        (["B I O"], "IOB2 (B)"),
        (["a b O"], "IO"),
        (["a b _"], "IO (_ for O)"),
        (["I-a E-a E-b O"], "IOE2"),
        (["O O"], "IO"),
    ],
)
def test_a_spelling_says_what_it_is(rows: list[str], described: str) -> None:
    assert detect_spelling([row.split() for row in rows]).describe() == described


def test_a_b_alone_is_one_word_where_nothing_else_is() -> None:
    rows = [["B-a", "O", "B-a", "E-a"]]
    assert detect_spelling(rows).read(rows[0]).spans == (Span(0, 1, "a"), Span(2, 4, "a"))
    rows = [["B-a", "O", "B-a", "E-a", "S-b"]]
    with pytest.raises(TagError, match="breaks a span off"):
        detect_spelling(rows).read(rows[0])


@pytest.mark.parametrize(
    ("row", "scheme", "position", "message"),
    [
        ("B-a I-a O city B-a", "auto", 3, "tag 'city' is not of the scheme IOB2"),
        ("B_a I_a O B-a", "auto", 3, "tag 'B-a' is not of the scheme IOB2 .*B_TYPE"),
        ("b-a i-a O B-a b-a", "auto", 3, "tag 'B-a' is not of the scheme"),
        ("X-a O X-b", "auto", 0, "tag 'X-a' is not of the scheme"),
        ("B-a X-a O", "auto", 1, "tag 'X-a' is not of the scheme"),
        ("city O B-cell city city", "auto", 2, "set scheme=IO if it is a type"),
        ("city O none", "auto", 2, "'none' may be a type"),
        ("1 0 2", "auto", 0, "is a number"),
        ("O B-O", "auto", 1, "names the type 'O'"),
        ("O B-o", "auto", 1, "names the type 'o'"),
        ("O B-", "auto", 1, "tag 'B-'"),
        ("O B-a|I-b", "auto", 1, "not one tag of a word"),
        ("(PER* *) *", "auto", 0, "not one tag of a word"),
        ("B-a L-a O B-a O U-b", "auto", 4, "breaks a span off"),
        ("O L-a U-b", "auto", 1, "tag 'L-a' breaks a span off"),
        ("B-a E-a", "IOB2", 1, "tag 'E-a' is not of the scheme IOB2"),
        ("B-a I-a", "IOBES", 1, "the last of its sentence"),
        ("O person", "IOB1", 1, "tag 'person' is not of the scheme IOB1"),
    ],
)
def test_what_fits_no_spelling_or_two_is_refused_where_it_stands(
    row: str, scheme: Scheme, position: int, message: str
) -> None:
    tags = row.split()
    with pytest.raises(TagError, match=message) as error:
        detect_spelling([tags], scheme).read(tags)
    assert error.value.position == position


def test_placeholders_beside_o_are_missing_tags() -> None:
    assert detect_spelling([["B-a", "-", "O"]]).missing == {"-"}
    assert not detect_spelling([["B-a", "-", "-"]]).missing


def test_a_scheme_that_is_given_is_taken() -> None:
    assert detect_spelling([["B-a", "O"]], "IO").read(["B-a", "O"]).spans == (Span(0, 1, "B-a"),)
    assert detect_spelling([["I_a", "B_a", "O"]], "IOB2").read(["I_a", "B_a", "O"]).broken == (0,)
