"""Marks of characters become spans of words: trimmed, split, outermost; none is lost without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import names

from metamann.data.own.alignment import Marked, read_documents
from metamann.data.own.documents import Document, Mark
from metamann.data.own.tokens import belongs_to_previous, tokenise
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError

FILE = Path("file.json")
TEXTS = st.text(st.sampled_from("ab. é\u0301👩\u200d🔬\n京กำ,2"), min_size=1, max_size=20).filter(str.strip)


def read(text: str, *marks: tuple[Any, ...], words: Any = None, **options: Any) -> Marked:
    return read_documents(FILE, [Document("line 1", text, tuple(Mark(*mark) for mark in marks), words)], **options)


def covered(sentence: Sentence) -> list[tuple[str, str]]:
    return [(" ".join(sentence.tokens[span.start : span.end]), span.type) for span in sentence.spans]


@given(TEXTS, st.data())
def test_spans_on_borders_of_words_are_kept_as_they_are(text: str, data: st.DataObject) -> None:
    tokens = tokenise(text)
    spans, end = [], 0
    while end < len(tokens) and data.draw(st.booleans()):
        start = data.draw(st.integers(end, len(tokens) - 1))
        end = data.draw(st.integers(start + 1, len(tokens)))
        spans.append(Span(start, end, data.draw(st.sampled_from("xy"))))
    borders = [(tokens[span.start][0], tokens[span.end - 1][1], span.type) for span in spans]
    marks = [(start, end, type_, text[start:end]) for start, end, type_ in borders]
    marked = read(text, *data.draw(st.permutations(marks)), words=tuple(tokens))
    assert marked.sentences == (Sentence(tuple(text[start:end] for start, end in tokens), tuple(spans)),)
    assert marked.notes == ()


@given(TEXTS, st.lists(st.tuples(st.integers(-3, 25), st.integers(-3, 25), st.sampled_from("xy")), max_size=6))
def test_every_span_is_kept_or_counted(text: str, marks: list[tuple[int, int, str]]) -> None:
    try:
        marked = read(text, *marks)
    except DataError as error:
        assert "offsets of all" in str(error)  # noqa: PT017  # all shifted
        return
    (sentence,) = marked.sentences
    assert "".join(sentence.tokens) == "".join(text.split())
    assert all(sentence.tokens)
    borders = [border for span in sentence.spans for border in span[:2]]
    assert borders == sorted(borders)
    assert all(span.start < span.end for span in sentence.spans)
    left = sum(int(note.split(" of ")[0]) for note in marked.notes if "left out" in note or "twice" in note)
    assert len(sentence.spans) + left == len(marks)


@given(st.lists(st.sampled_from(["ab", "c12", "京都", "é", "👩‍🔬", "กำ", "-"]), min_size=1, max_size=6), st.data())
def test_a_span_covers_exactly_what_is_marked(parts: list[str], data: st.DataObject) -> None:
    """Borders between letters and digits, signs and emoji: words are cut where a mark says so, and nowhere else."""
    text = " ".join(parts)
    borders = [border for border in range(len(text) + 1) if not belongs_to_previous(text + " ", border)]
    start = data.draw(st.sampled_from([border for border in borders[:-1] if not text[border].isspace()]))
    end = data.draw(st.sampled_from([end for end in borders if end > start and not text[end - 1].isspace()]))
    # a mark of the first word shows that code points are counted
    (sentence,) = read("Ada " + text, (0, 3, "y"), (start + 4, end + 4, "x", text[start:end])).sentences
    assert covered(sentence)[1][0].replace(" ", "") == text[start:end].replace(" ", "")
    assert "".join(sentence.tokens) == "Ada" + text.replace(" ", "")


def test_white_space_and_the_full_stop_are_trimmed_and_counted() -> None:
    marked = read("Bob lives in Berlin.", (0, 4, "person"), (13, 20, "city"))
    assert covered(marked.sentences[0]) == [("Bob", "person"), ("Berlin", "city")]
    (note,) = marked.notes
    assert names(note, "2 of 2 spans trimmed", " line 1, 'Bob' (characters 0 to 4, person)")


def test_words_are_split_at_the_border_of_a_span_and_counted() -> None:
    marked = read("Take 200mg of aspirin.", (5, 8, "dose"), (8, 10, "unit"), (14, 21, "drug"))
    assert marked.sentences[0].tokens == ("Take", "200", "mg", "of", "aspirin", ".")
    assert covered(marked.sentences[0]) == [("200", "dose"), ("mg", "unit"), ("aspirin", "drug")]
    (note,) = marked.notes
    assert names(note, "1 of 6 words split", "border of a span", " line 1, '200 mg'")


def test_words_of_the_file_are_taken_and_its_full_stops_are_words() -> None:
    text = "in St.Gallen today."
    words = ((0, 2), (3, 12), (13, 19))
    marked = read(text, (3, 12, "city"), (13, 19, "day"), words=words)
    assert marked.sentences == (Sentence(("in", "St.Gallen", "today."), (Span(1, 2, "city"), Span(2, 3, "day"))),)
    assert marked.notes == ()


@pytest.mark.parametrize(
    ("marks", "left"),
    [
        ([(0, 8, "city"), (0, 13, "paper")], [("New York Post", "paper")]),
        ([(0, 13, "paper"), (4, 8, "x"), (9, 13, "y")], [("New York Post", "paper")]),
        ([(0, 8, "city"), (4, 13, "y")], [("York Post", "y")]),
        ([(0, 8, "city"), (0, 8, "state")], [("New York", "city")]),
        ([(0, 8, "city"), (8, 13, "y")], [("New York", "city"), ("Post", "y")]),
    ],
)
def test_the_outermost_of_overlapping_spans_is_taken(marks: list[tuple[int, int, str]], left: list[Any]) -> None:
    text = "New York Post"
    marked = read(text, *marks)
    assert covered(marked.sentences[0]) == left
    lost = len(marks) - len(left)
    assert lost == 0 or marked.notes[-1].startswith(f"{lost} of {len(marks)} spans left out, since they overlap")
    if lost:
        with pytest.raises(DataError, match=r"file.json, line 1, .*spans overlap; .*overlaps=outermost"):
            read(text, *marks, overlaps="error")


def test_a_span_that_is_marked_twice_counts_once() -> None:
    marked = read("in Rome", (3, 7, "city"), (3, 7, "city"))
    assert covered(marked.sentences[0]) == [("Rome", "city")]
    assert marked.notes[0].startswith("1 of 2 spans marked twice")


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ((2, 9, "x"), "not inside the text, which has 8 characters"),
        ((-1, 2, "x"), "not inside the text"),
        ((2, 2, "x"), "not inside the text"),
        ((3, 7, "x", "Oslo"), "the file says that it covers 'Oslo'"),
        ((2, 3, "x"), "it covers no word"),
    ],
)
def test_what_does_not_fit_is_left_out_and_shown_or_refused(mark: tuple[Any, ...], reason: str) -> None:
    good = (0, 2, "prep")
    marked = read("in Rome ", good, mark)
    assert covered(marked.sentences[0]) == [("in", "prep")]
    (note,) = marked.notes
    assert names(note, "1 of 2 spans left out", "fit no words", " line 1, ", reason)
    with pytest.raises(DataError, match=f"line 1, .*{reason}.*set spans=report"):
        read("in Rome ", good, mark, spans="error")


def test_a_span_that_tears_a_sign_apart_is_widened() -> None:
    marked = read("x 👩‍🔬 Cafe\u0301s", (2, 3, "e"), (6, 10, "place"))
    assert covered(marked.sentences[0]) == [("👩‍🔬", "e"), ("Cafe\u0301", "place")]
    assert "2 of 2 spans widened to whole signs" in marked.notes[0]


@pytest.mark.parametrize("type_", ["", " ", "O", "o"])
def test_a_type_that_means_none_is_refused(type_: str) -> None:
    with pytest.raises(DataError, match="line 1: a span has the type"):
        read("in Rome", (3, 7, type_))


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(DataError, match="line 1: the text has a NUL"):
        read("in\0Rome", (3, 7, "city"))


def test_texts_without_labels_among_labelled_ones_are_refused_or_without_entities() -> None:
    documents = [Document("line 1", "in Rome", (Mark(3, 7, "city"),)), Document("line 2", "in Oslo", None)]
    with pytest.raises(DataError, match=r"line 2 has no labels, .*set untagged=outside"):
        read_documents(FILE, documents)
    marked = read_documents(FILE, documents, untagged="outside")
    assert [len(sentence.spans) for sentence in marked.sentences] == [1, 0]
    assert marked.notes == ("1 of 2 texts have no labels, the first: line 2",)
    assert read_documents(FILE, documents[1:]).notes == ()


def test_converted_offsets_are_said() -> None:
    assert read("😀 Ada", (3, 6, "person")).notes == ("offsets count UTF-16 units and were converted",)
