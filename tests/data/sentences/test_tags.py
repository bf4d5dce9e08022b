"""Tag schemes: what is written is read again, broken tags are read as conlleval reads them, schemes are detected."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.sentences.store import Span
from metamann.data.sentences.tags import SCHEMES, Scheme, TagError, detect_scheme, read_tags, write_tags
from metamann.errors import DataError

# with hyphens, with what looks like a prefix, beyond ASCII
TYPES = ("a", "b-c", "B-d", "O-e", "-", "người", "👩‍🔬")
WITHOUT_HYPHEN = ("person", "place")


@st.composite
def tagged(draw: st.DrawFn, types: Sequence[str] = TYPES, apart: bool = False) -> tuple[int, tuple[Span, ...]]:
    """A length and spans in it; `apart` draws no two neighbours of one type."""
    spans: list[Span] = []
    end = 0
    for _ in range(draw(st.integers(0, 6))):
        type_ = draw(st.sampled_from(types))
        same = apart and bool(spans) and spans[-1].type == type_
        start = end + draw(st.integers(1 if same else 0, 3))
        end = start + draw(st.integers(1, 4))
        spans.append(Span(start, end, type_))
    return end + draw(st.integers(0, 3)), tuple(spans)


@given(tagged(), st.sampled_from(["IOB1", "IOB2", "IOBES"]))
def test_spans_written_are_read_again(sentence: tuple[int, tuple[Span, ...]], scheme: Scheme) -> None:
    length, spans = sentence
    tags = write_tags(length, spans, scheme)
    assert len(tags) == length
    assert read_tags(tags, scheme) == (spans, ())


@given(tagged(apart=True))
def test_io_gives_back_spans_that_have_no_neighbour_of_their_type(sentence: tuple[int, tuple[Span, ...]]) -> None:
    length, spans = sentence
    assert read_tags(write_tags(length, spans, "IO"), "IO") == (spans, ())


@given(tagged())
def test_io_makes_neighbours_of_one_type_one_span(sentence: tuple[int, tuple[Span, ...]]) -> None:
    length, spans = sentence
    read = read_tags(write_tags(length, spans, "IO"), "IO").spans
    covered = [(position, span.type) for span in spans for position in range(span.start, span.end)]
    assert [(position, span.type) for span in read for position in range(span.start, span.end)] == covered
    assert not any(one.end == two.start and one.type == two.type for one, two in pairwise(read))


def test_each_scheme_writes_its_own_tags() -> None:
    spans = (Span(0, 1, "a"), Span(1, 3, "a"), Span(3, 4, "b"))
    assert write_tags(5, spans, "IO") == ("a", "a", "a", "b", "O")
    assert write_tags(5, spans, "IOB1") == ("I-a", "B-a", "I-a", "I-b", "O")
    assert write_tags(5, spans, "IOB2") == ("B-a", "B-a", "I-a", "B-b", "O")
    assert write_tags(5, spans, "IOBES") == ("S-a", "B-a", "E-a", "S-b", "O")


def conlleval_spans(tags: Sequence[str]) -> tuple[Span, ...]:
    """The rules of conlleval for B, I and O, written as there: does a chunk end before, does one start at, this tag."""
    spans, start = [], 0
    before, before_type = "O", ""
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, type_ = tag.partition("-")
        ends = (
            (before == "B" and prefix in "BO")
            or (before == "I" and prefix in "BO")
            or (before != "O" and before_type != type_)
        )
        starts = prefix == "B" or (prefix == "I" and before == "O") or (prefix != "O" and before_type != type_)
        if ends:
            spans.append(Span(start, position, before_type))
        if starts:
            start = position
        before, before_type = prefix, type_
    return tuple(spans)


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), max_size=12), st.sampled_from(["IOB1", "IOB2"]))
def test_any_sequence_of_b_and_i_is_read_as_conlleval_reads_it(tags: list[str], scheme: Scheme) -> None:
    reading = read_tags(tags, scheme)
    assert reading.spans == conlleval_spans(tags)
    # a tag is broken exactly if writing the spans again puts another one in its place
    written = write_tags(len(tags), reading.spans, scheme)
    assert reading.broken == tuple(
        position for position, pair in enumerate(zip(tags, written, strict=True)) if len(set(pair)) == 2
    )


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "E-a", "S-a", "I-b", "E-b"]), max_size=8))
def test_iobes_sequences_are_refused_exactly_if_no_spans_write_them(tags: list[str]) -> None:
    try:
        spans = read_tags(tags, "IOBES").spans
    except TagError as error:
        assert 0 <= error.position < len(tags)  # noqa: PT017  # both outcomes are right
        # what conlleval would find does not write these tags either
        as_iob2 = [tag.replace("E-", "I-").replace("S-", "B-") for tag in tags]
        assert write_tags(len(tags), conlleval_spans(as_iob2), "IOBES") != tuple(tags)
    else:
        assert write_tags(len(tags), spans, "IOBES") == tuple(tags)


@pytest.mark.parametrize(
    ("tags", "position"),
    [
        (["O", "I-a"], 1),
        (["E-a"], 0),
        (["B-a", "O"], 1),
        (["B-a", "I-a"], 1),
        (["B-a", "E-b"], 1),
        (["B-a", "S-a"], 1),
        (["S-a", "E-a"], 1),
    ],
)
def test_where_iobes_breaks_off_is_told(tags: list[str], position: int) -> None:
    with pytest.raises(TagError, match="IOBES") as error:
        read_tags(tags, "IOBES")
    assert error.value.position == position


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES"])
@pytest.mark.parametrize("tag", ["person", "B-", "B", "I_a", "o", "X-a", "L-a", "", "B_a-b"])
def test_tags_of_no_scheme_are_refused_with_what_is_known(scheme: Scheme, tag: str) -> None:
    with pytest.raises(TagError, match=rf"tag '{tag}' is not of the scheme {scheme} \(O, B-TYPE") as error:
        read_tags(["O", tag], scheme)
    assert error.value.position == 1


@pytest.mark.parametrize(
    ("spans", "scheme"),
    [
        ([Span(0, 2, "a"), Span(1, 3, "a")], "IOB2"),
        ([Span(2, 3, "a"), Span(0, 1, "a")], "IOB1"),
        ([Span(1, 1, "a")], "IOBES"),
        ([Span(-1, 1, "a")], "IOB2"),
        ([Span(2, 5, "a")], "IO"),
        ([Span(0, 1, "")], "IOB2"),
        ([Span(0, 1, "O")], "IO"),
    ],
)
def test_spans_that_no_tags_can_say_are_refused(spans: list[Span], scheme: Scheme) -> None:
    with pytest.raises(DataError, match="Span"):
        write_tags(4, spans, scheme)


@given(st.lists(tagged(WITHOUT_HYPHEN), min_size=1, max_size=8), st.sampled_from(SCHEMES))
def test_a_corpus_reads_the_same_under_the_scheme_detected(
    corpus: list[tuple[int, tuple[Span, ...]]], scheme: Scheme
) -> None:
    """Small corpora may be right under two schemes; then both say the same spans."""
    rows = [write_tags(length, spans, scheme) for length, spans in corpus]
    detected = detect_scheme(rows)
    assert [read_tags(row, detected) for row in rows] == [read_tags(row, scheme) for row in rows]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_corpus_with_neighbours_and_long_spans_has_one_scheme(scheme: Scheme) -> None:
    spans = (Span(0, 1, "a"), Span(1, 3, "a"), Span(4, 5, "b"))
    assert detect_scheme([write_tags(6, spans, scheme)]) == scheme


def test_a_few_broken_tags_do_not_change_the_scheme() -> None:
    whole = [["B-a", "I-a", "O", "B-b"], ["O", "B-a"]]
    assert detect_scheme([*whole, ["O", "I-a"]]) == "IOB2"
    assert detect_scheme([["I-a", "I-a", "O"], ["I-b", "B-b"], ["O", "I-a"], ["B-a"]]) == "IOB1"
    assert detect_scheme([*whole, ["typo"]]) == "IOB2"  # refused where it is read
    assert detect_scheme([["protein", "B-cell", "O", "protein"]]) == "IO"


@pytest.mark.parametrize("tags", [["U-a", "O", "B-a", "L-a", "U-b"], ["b-a", "i-a", "O"], ["M-a", "O"]])
def test_tags_of_a_scheme_not_known_are_not_taken_for_types(tags: list[str]) -> None:
    with pytest.raises(TagError, match="is not of the scheme IOB"):
        read_tags(tags, detect_scheme([tags]))


def test_edges_of_detection() -> None:
    assert detect_scheme([]) == "IO"
    assert detect_scheme([["O", "O"], []]) == "IO"
    assert detect_scheme([["O", "I-a", "I-a", "I-b"]]) == "IOB1"
    assert detect_scheme([["O", "S-a"]]) == "IOBES"
    assert detect_scheme([["B-a"], ["I-a"]]) == "IOB2"  # one tag is broken under either
