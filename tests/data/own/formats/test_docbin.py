"""spaCy's `.spacy` files: read as spaCy reads them, without spaCy."""

from __future__ import annotations

import contextlib
import pickle
import sys
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from messages import names
from spacy.strings import hash_string
from spacy.symbols import IDS
from spacy.tokens import Doc, DocBin, Span

from metamann.data.own.documents import Document
from metamann.data.own.formats import docbin
from metamann.data.own.formats.docbin import DOCBIN, string_number, symbols
from metamann.data.own.formats.source import Source
from metamann.errors import DataError

msgpack = pytest.importorskip("msgpack")
NLP = spacy.blank("en")


def test_words_entities_and_blanks_are_those_of_spacy(tmp_path: Path) -> None:
    doc = NLP("Alice  Meyer flew\nto 北京 with 👩‍🚀 Bob.")
    doc.ents = [Span(doc, 0, 3, "PERSON"), Span(doc, 6, 7, "城市"), Span(doc, len(doc) - 2, len(doc) - 1, "astronaut")]
    (document,) = read(tmp_path, doc)
    assert document.text == doc.text
    assert [document.text[start:end] for start, end in document.words or ()] == [
        token.text for token in doc if not token.is_space
    ]
    assert [(mark.start, mark.end, mark.type, mark.text) for mark in document.marks or ()] == [
        (entity.start_char, entity.end_char, entity.label_, entity.text) for entity in doc.ents
    ]


@given(st.data())
def test_any_document_is_read_as_spacy_reads_it(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    letters = st.characters(exclude_categories=("Cs",))
    words = data.draw(st.lists(st.text(letters, min_size=1, max_size=9).filter(str.strip), min_size=1, max_size=12))
    spaces = data.draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))
    doc = Doc(NLP.vocab, words=words, spaces=spaces)
    borders = sorted(data.draw(st.sets(st.integers(0, len(words)), max_size=6)))
    types = st.sampled_from(["a", "b", "DATE"])
    doc.ents = [Span(doc, start, end, data.draw(types)) for start, end in pairwise(borders)][
        :: data.draw(st.integers(1, 2))
    ]
    (document,) = read(tmp_path_factory.mktemp("docbin"), doc)
    assert document.text == doc.text
    assert [document.text[start:end] for start, end in document.words or ()] == words
    assert [mark[:3] for mark in document.marks or ()] == [(e.start_char, e.end_char, e.label_) for e in doc.ents]


def test_sentences_are_documents_of_their_own(tmp_path: Path) -> None:
    doc = NLP("Alice flew. Bob stayed in Rome.")
    for token in doc:
        token.is_sent_start = token.i in (0, 3)
    doc.ents = [Span(doc, 0, 1, "person"), Span(doc, 6, 7, "city")]
    first, second = read(tmp_path, doc)
    assert (first.text, second.text) == ("Alice flew. ", "Bob stayed in Rome.")
    assert [mark.text for mark in (*(first.marks or ()), *(second.marks or ()))] == ["Alice", "Rome"]
    assert [second.text[mark.start : mark.end] for mark in second.marks or ()] == ["Rome"]
    assert (second.words or ())[0] == (0, 3)
    assert (first.place, second.place) == ("document 1, sentence 1", "document 1, sentence 2")


def test_a_sentence_that_starts_inside_an_entity_is_joined_to_the_one_before(tmp_path: Path) -> None:
    doc = NLP("Alice flew to New York City.")
    doc[4].is_sent_start = True
    doc.ents = [Span(doc, 3, 6, "city")]
    content = DOCBIN.read(saved(tmp_path, doc))
    assert len(content.documents) == 1
    (note,) = content.notes
    assert names(note, "sentence borders inside an entity", ": 1,", " document 1")


def test_documents_without_entities_are_told_from_documents_without_labels(tmp_path: Path) -> None:
    bare, empty = NLP("It rains."), NLP("It snows.")
    empty.ents = []
    assert [document.marks for document in read(tmp_path, bare, empty)] == [None, ()]


def test_a_file_of_few_attributes_is_read(tmp_path: Path) -> None:
    doc = Doc(NLP.vocab, words=["Alice", "Meyer", "flew"], ents=["B-person", "I-person", "O"])
    path = tmp_path / "few.spacy"
    DocBin(attrs=["ENT_TYPE"], docs=[doc]).to_disk(path)
    (document,) = DOCBIN.read(Source(path)).documents
    assert [mark.text for mark in document.marks or ()] == ["Alice Meyer"]


def test_groups_of_spans_are_counted_and_user_data_passed_over(tmp_path: Path) -> None:
    doc = NLP("Alice flew.")
    doc.spans["sc"] = [Span(doc, 0, 1, "person")]
    doc.user_data["remark"] = {"a": [1, 2]}
    path = tmp_path / "a.spacy"
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    content = DOCBIN.read(Source(path))
    (note,) = content.notes
    assert names(note, "doc.spans", "not read: 1,", " document 1")


def test_the_content_makes_a_file_a_docbin(tmp_path: Path) -> None:
    source = saved(tmp_path, NLP("Alice flew."))
    source.path.rename(tmp_path / "renamed.txt")
    assert DOCBIN.matches(Source(tmp_path / "renamed.txt"))
    (tmp_path / "other.txt").write_bytes(zlib.compress(b"attrs"))
    (tmp_path / "x.txt").write_text("x^ is written in superscript")
    assert not DOCBIN.matches(Source(tmp_path / "other.txt"))
    assert not DOCBIN.matches(Source(tmp_path / "x.txt"))


def test_numbers_of_strings_are_those_of_spacy() -> None:
    assert list(symbols()) == sorted(IDS, key=lambda name: IDS[name])
    for text in ("a", "Alice", "12345678", "123456789", "北京", "👩‍🚀", "x" * 100):
        assert string_number(text) == hash_string(text)
    assert string_number("PERSON") == IDS["PERSON"]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(tmp_path, NLP("It rains."))
    monkeypatch.setitem(sys.modules, "msgpack", None)
    with pytest.raises(DataError, match=r"pip install metamann\[text\]"):
        DOCBIN.read(source)


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docbin, "LARGEST", 2**20)
    path = tmp_path / "bomb.spacy"
    path.write_bytes(zlib.compress(b"\x90" * 2**21, 9))
    with pytest.raises(DataError, match="more than 1 MiB"):
        DOCBIN.read(Source(path))


class Bomb:
    def __reduce__(self) -> Any:
        """Unpickled, it writes a file."""
        return (Path.write_text, (Path("unpickled"), "ran"))


@pytest.mark.parametrize(
    "slot", ["attrs", "tokens", "strings", "lengths", "spaces", "flags", "cats", "user_data", "new"]
)
def test_hostile_values_are_refused_or_passed_over(slot: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = msgpack.unpackb(zlib.decompress(DocBin(docs=[NLP("Alice flew.")]).to_bytes()))
    array = {b"nd": True, b"type": "O", b"kind": b"O", b"shape": [1], b"data": pickle.dumps(Bomb())}
    for value in (array, [array], msgpack.ExtType(0, pickle.dumps(Bomb())), [[[]]], -1, None, 2**63, "x", b"x", []):
        path = tmp_path / "hostile.spacy"
        path.write_bytes(zlib.compress(msgpack.packb({**content, slot: value})))
        with contextlib.suppress(DataError):
            DOCBIN.read(Source(path))
    assert not (tmp_path / "unpickled").exists()


def test_many_strings_are_refused_before_they_are_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docbin, "LONGEST", 13)
    read(tmp_path, NLP("It rains."))
    with pytest.raises(DataError, match="more than 13 values"):
        read(tmp_path, NLP("Many different words have as many different strings as they are words of one text."))


@pytest.mark.parametrize(
    "content", [b"", b"no zlib", zlib.compress(b""), zlib.compress(b"\x80"), zlib.compress(b"\xc1")]
)
def test_broken_files_are_one_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.spacy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.spacy"):
        DOCBIN.read(Source(path))


@given(st.data())
def test_mutated_files_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    doc = Doc(NLP.vocab, words=["Alice", "Meyer", "flew"], ents=["B-person", "I-person", "O"])
    content = bytearray(zlib.decompress(DocBin(docs=[doc, doc]).to_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("mutated") / "mutated.spacy"
    packed = zlib.compress(bytes(content))
    path.write_bytes(packed[: data.draw(st.sampled_from([None, None, None, len(packed) // 2]))])
    with contextlib.suppress(DataError):
        DOCBIN.read(Source(path))


def saved(folder: Path, *docs: Doc) -> Source:
    path = folder / "docs.spacy"
    DocBin(docs=docs).to_disk(path)
    return Source(path)


def read(folder: Path, *docs: Doc) -> tuple[Document, ...]:
    return DOCBIN.read(saved(folder, *docs)).documents
