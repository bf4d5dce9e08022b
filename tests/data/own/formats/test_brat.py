"""brat: a text and its annotations beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import names
from reading import marked

from metamann.data.own.documents import Document
from metamann.data.own.formats import Content, Source, known_format
from metamann.data.own.formats.brat import OTHERS
from metamann.errors import DataError

TEXT = "👩‍🚀 Alice Meyer flew to 北京.\nIt rains.\n\nBob stays in Rome.\n"
ENTITIES = [("Alice Meyer", "Person"), ("北京", "City"), ("Bob", "Person"), ("Rome", "City")]


def annotated(text: str, *entities: tuple[str, str], unit: str = "") -> str:
    rows = []
    for number, (covered, type_) in enumerate(entities, 1):
        start = text.index(covered)
        end = start + len(covered)
        if unit:
            start, end = (len(text[:offset].encode(unit)) // (2 if "16" in unit else 1) for offset in (start, end))
        rows.append(f"T{number}\t{type_} {start} {end}\t{covered}\n")
    return "".join(rows)


def pair(folder: Path, text: str | bytes, ann: str, stem: str = "doc") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / f"{stem}.ann").write_bytes(ann.encode())
    return folder / f"{stem}.ann"


def read(path: Path) -> Content:
    found = known_format(Source(path))
    assert found is not None
    assert found.name == "brat"
    return found.read(Source(path))


def found(documents: tuple[Document, ...]) -> list[tuple[str, str]]:
    return [mark for document in documents for mark in marked(document)]


@pytest.mark.parametrize("named", ["doc.ann", "doc.txt", ""])
def test_a_line_is_a_sentence_whatever_is_named(named: str, tmp_path: Path) -> None:
    pair(tmp_path, TEXT, annotated(TEXT, *ENTITIES))
    content = read(tmp_path / named)
    assert [document.text.strip() for document in content.documents] == [line for line in TEXT.split("\n") if line]
    assert [document.place for document in content.documents] == [f"line {number} of doc.txt" for number in (1, 2, 4)]
    assert found(content.documents) == ENTITIES
    assert content.documents[1].marks == ()
    assert content.notes == ()


@pytest.mark.parametrize(
    ("text", "counted", "unit", "parts"),
    [
        (TEXT.replace("\n", "\r\n"), TEXT.replace("\n", "\r\n"), "", ()),
        (TEXT.replace("\n", "\r\n"), TEXT, "", ()),
        ("\ufeff" + TEXT, TEXT, "", ()),
        ("\ufeff" + TEXT, "\ufeff" + TEXT, "", ()),
        (TEXT, TEXT, "utf-16-le", ("UTF-16 units", "converted: 1,", " doc.txt")),
        (TEXT, TEXT, "utf-8", ("UTF-8 bytes", "converted: 1,", " doc.txt")),
    ],
)
def test_offsets_are_those_by_which_entities_cover_what_they_say(
    text: str, counted: str, unit: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    content = read(pair(tmp_path, text, annotated(counted, *ENTITIES, unit=unit)))
    assert found(content.documents) == ENTITIES
    assert len(content.notes) == bool(parts)
    assert all(names(note, *parts) for note in content.notes)


@given(st.lists(st.sampled_from(["Alice", "京", "👩‍🚀", "\n", " ", "é", "\u2028"]), min_size=1, max_size=20), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_cutting_lines_moves_every_mark_and_loses_none(tmp_path: Path, parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    spans = data.draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(1, 6)), max_size=5))
    spans = [(start, min(start + length, len(text))) for start, length in spans if start < len(text)]
    covered = [text[start:end].replace("\n", " ") for start, end in spans]
    ann = "".join(
        f"T{number}\tX {start} {end}\t{said}\n"
        for number, ((start, end), said) in enumerate(zip(spans, covered, strict=True))
    )
    documents = read(pair(tmp_path, text, ann)).documents
    assert sorted(said.replace("\n", " ") for said, _ in found(documents)) == sorted(covered)
    assert "".join("".join(document.text for document in documents).split()) == "".join(text.split())


def test_other_annotations_are_counted(tmp_path: Path) -> None:
    ann = annotated(TEXT, *ENTITIES) + "R1\tlives Arg1:T1 Arg2:T2\t\nE1\tFly:T1\nA1\tSure T1\nN1\tReference T1 W:1\tx\n"
    ann += "#1\tAnnotatorNotes T1\tis it?\n*\tEquiv T1 T3\nM1\tNot T1\n\n"
    content = read(pair(tmp_path, TEXT, ann))
    assert found(content.documents) == ENTITIES
    assert content.notes == (OTHERS + ": 7, the first in line 5 of doc.ann",)


def test_entities_in_pieces_are_one_only_across_blanks(tmp_path: Path) -> None:
    text = "Alice\nMeyer, north and south Rome"
    ann = "T1\tPerson 0 5;6 11\tAlice Meyer\nT2\tCity 13 18;29 33\tnorth Rome\n"
    content = read(pair(tmp_path, text, ann))
    assert found(content.documents) == [("Alice\nMeyer", "Person")]
    in_pieces, line_breaks = content.notes
    assert names(in_pieces, "entities in several pieces", "left out: 1,", "line 2 of doc.ann")
    assert names(line_breaks, "line breaks inside an entity", ": 1,", " doc.txt")


def test_all_pairs_of_a_folder_are_read(tmp_path: Path) -> None:
    pair(tmp_path, "Bob stays.", "T1\tPerson 0 3\tBob\n", "b")
    pair(tmp_path, "It rains.", "", "a")
    pair(tmp_path / "deeper", "Rome.", "T1\tCity 0 4\tRome\n", "c")
    pair(tmp_path, "x", "no brat", "._b")
    (tmp_path / "alone.txt").write_text("x")
    content = read(tmp_path)
    assert [document.place for document in content.documents] == ["a.txt", "b.txt", "c.txt"]
    assert found(content.documents) == [("Bob", "Person"), ("Rome", "City")]
    (note,) = content.notes
    assert names(note, "without an .ann file", "left out: 1,", " alone.txt")


def test_a_missing_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "doc.ann").write_text(annotated(TEXT, *ENTITIES))
    with pytest.raises(DataError, match=r"doc\.txt is missing; put the text beside it"):
        read(tmp_path / "doc.ann")


def test_an_entity_that_covers_something_else_keeps_what_it_should_cover(tmp_path: Path) -> None:
    content = read(pair(tmp_path, "Bob stays.", "T1\tPerson 0 3\tBob\nT2\tVerb 5 9\tstays\n"))
    assert [mark.text for document in content.documents for mark in document.marks or ()] == ["Bob", "stays"]


@pytest.mark.parametrize(
    "line", ["T3 Person", "T3\tPerson 4 x\tBob", "Bob", "T3\tPerson 1 2;\tx", f"T3\tX 0 {'9' * 99}\tx"]
)
def test_bad_lines_are_one_error(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"doc\.ann, line 5"):
        read(pair(tmp_path, TEXT, annotated(TEXT, *ENTITIES) + line))


@pytest.mark.parametrize("ann", ["Alice B-person\nflew O\n", "Rome has a road T1 12 13\n"])
def test_other_files_beside_a_text_are_not_brat(ann: str, tmp_path: Path) -> None:
    path = pair(tmp_path, TEXT, ann)
    assert known_format(Source(path)) is None
    assert known_format(Source(path.with_suffix(".txt"))) is None
