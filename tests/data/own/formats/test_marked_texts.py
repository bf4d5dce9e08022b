"""JSON objects of a text with spans: Doccano, Prodigy, spaCy, and everybody's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import names
from reading import lines, marked, read, words
from spacy.tokens import Span

from metamann.data.own.documents import Mark
from metamann.errors import DataError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = "👩‍🚀 Alice flew to 北京."
SPANS = [[4, 9, "person"], [18, 20, "城市"]]
FOUND = [("Alice", "person"), ("北京", "城市")]
OBJECTS = [{"start": start, "end": end, "label": label} for start, end, label in SPANS]
DOCCANO = [{"id": 2, "label": label, "start_offset": start, "end_offset": end} for start, end, label in SPANS]
TOKENS = [
    {"text": TEXT[start:end], "start": start, "end": end, "id": number, "ws": True}
    for number, (start, end) in enumerate([(0, 3), (4, 9), (10, 14), (15, 17), (18, 20), (20, 21)])
]
HASHES = {"_input_hash": 1886699658, "_task_hash": -1952856502, "_view_id": "ner_manual"}

SHAPES = {
    "doccano": ({"id": 1, "text": TEXT, "label": SPANS, "Comments": []}, "Doccano"),
    "doccano labels": ({"id": 1, "text": TEXT, "labels": SPANS}, "Doccano"),
    "doccano data": ({"id": 1, "data": TEXT, "label": SPANS}, "Doccano"),
    "doccano relations": ({"id": 1, "text": TEXT, "entities": DOCCANO, "relations": [], "Comments": []}, "Doccano"),
    "doccano floats": ({"text": TEXT, "label": [[4.0, 9.0, "person"], [18, 20, "城市"]]}, "Doccano"),
    "prodigy": ({"text": TEXT, "spans": OBJECTS, "tokens": TOKENS, "answer": "accept", **HASHES}, "Prodigy"),
    "prodigy without tokens": ({"text": TEXT, "spans": OBJECTS, "label": "person", **HASHES}, "Prodigy"),
    "spacy": (
        {"text": TEXT, "ents": OBJECTS, "sents": [{"start": 0, "end": 21}], "tokens": TOKENS},
        "spaCy Doc.to_json",
    ),
    "pair": ([TEXT, {"entities": SPANS}], "spaCy training pairs"),
    "pair of objects": ([TEXT, {"entities": OBJECTS, "cats": {}}], "spaCy training pairs"),
    "spans": ({"text": TEXT, "spans": SPANS}, "JSON, texts and their spans"),
    "entities": ({"sentence": TEXT, "entities": OBJECTS, "tags": ["news"]}, "JSON, texts and their spans"),
    "pipeline": (
        {"text": TEXT, "entities": [{"entity_group": o["label"], "score": 0.9, **o, "label": None} for o in OBJECTS]},
        "JSON, texts and their spans",
    ),
    "own key": ({"text": TEXT, "my_marks": OBJECTS, "length": 21}, "JSON, texts and their spans"),
}


@pytest.mark.parametrize("wrap", ["lines", "array", "pretty", "data"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_read_in_every_wrapping(shape: str, wrap: str, tmp_path: Path) -> None:
    value, name = SHAPES[shape]
    text = {
        "lines": "\ufeff" + lines(value, value).replace("\n", "\r\n"),
        "array": json.dumps([value, value], ensure_ascii=False),
        "pretty": json.dumps([value, value], indent=2),
        "data": json.dumps({"version": 1, "data": [value, value]}),
    }[wrap]
    content = read(tmp_path, text)
    assert content.format == name
    assert content.notes == ()
    assert [document.text for document in content.documents] == [TEXT, TEXT]
    assert [marked(document) for document in content.documents] == [FOUND, FOUND]
    assert [document.place for document in content.documents] == (
        ["line 1", "line 2"] if wrap == "lines" else ["item 1", "item 2"]
    )
    if "tokens" in value:
        assert words(content.documents[0]) == ["👩‍🚀", "Alice", "flew", "to", "北京", "."]
    else:
        assert content.documents[0].words is None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), st.data())
@SAME_FOLDER
def test_text_and_offsets_stay_as_they_are(tmp_path: Path, text: str, data: st.DataObject) -> None:
    offsets = st.integers(-3, len(text) + 3)
    spans = data.draw(st.lists(st.tuples(offsets, offsets, st.sampled_from(["a", "b c", "城"]))))
    (document,) = read(tmp_path, lines({"text": text, "label": spans})).documents
    assert document.text == text
    assert document.marks == tuple(Mark(*span) for span in spans)


def test_what_spacy_writes_is_read_with_its_words_and_sentences(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    doc = nlp("Alice can't fly.\n Bob stays in New York.")
    for token in doc:
        token.is_sent_start = token.i == 0 or token.text == "Bob"
    doc.ents = [Span(doc, 0, 1, "person"), Span(doc, len(doc) - 3, len(doc) - 1, "city")]
    content = read(tmp_path, lines(doc.to_json()))
    assert [marked(document) for document in content.documents] == [[("Alice", "person")], [("New York", "city")]]
    assert words(content.documents[0]) == ["Alice", "ca", "n't", "fly", "."]
    assert [document.place for document in content.documents] == ["line 1, sentence 1", "line 1, sentence 2"]


def test_a_text_that_its_tokens_do_not_cover_is_cut_anew(tmp_path: Path) -> None:
    content = read(tmp_path, lines({"text": TEXT, "spans": OBJECTS, "tokens": TOKENS[:2], "answer": "accept"}))
    assert content.documents[0].words is None
    assert marked(content.documents[0]) == FOUND
    assert len(content.notes) == 1


def test_texts_that_prodigy_did_not_accept_are_left_out(tmp_path: Path) -> None:
    values = [{"text": f"Text {answer}", "answer": answer, **HASHES} for answer in ("accept", "reject", "ignore")]
    content = read(tmp_path, lines(*values))
    assert [document.text for document in content.documents] == ["Text accept"]
    assert content.documents[0].marks == ()
    (note,) = content.notes
    assert names(note, "texts ", "not accepted", "left out: 2,", " line 2")


def test_texts_without_labels_are_told_from_texts_without_entities(tmp_path: Path) -> None:
    content = read(
        tmp_path, lines({"text": "It rains."}, {"text": "It snows.", "label": []}, {"text": "a", "ents": None})
    )
    assert [document.marks for document in content.documents] == [None, (), None]


@pytest.mark.parametrize("form", ["assigned", "printed", "printed lines", "laid out"])
def test_what_python_writes_is_read_as_json(form: str, tmp_path: Path) -> None:
    other = 'It\'s "so"\xa0.\n'
    pairs = [(TEXT, {"entities": [tuple(span) for span in SPANS]}), (other, {"entities": [], "cats": None})]
    text = {
        "assigned": f"TRAIN_DATA = {pairs}\n",
        "printed": repr(pairs),
        "printed lines": "".join(f"{{'text': {text!r}, 'label': {labels['entities']!r}}}\n" for text, labels in pairs),
        "laid out": "TRAIN_DATA = [\n" + "".join(f"    {pair!r},\n" for pair in pairs) + "]\n",
    }[form]
    documents = read(tmp_path, text).documents
    assert [document.text for document in documents] == [TEXT, other]
    assert [marked(document) for document in documents] == [FOUND, []]


def test_tokens_alone_are_no_spans(tmp_path: Path) -> None:
    (document,) = read(tmp_path, lines({"text": TEXT, "tokens": TOKENS})).documents
    assert document.marks is None
    assert len(words(document)) == 6


@pytest.mark.parametrize("indent", [None, 1])
def test_plain_texts_are_unlabelled(indent: int | None, tmp_path: Path) -> None:
    content = read(tmp_path, json.dumps(["It rains.", "It snows."], indent=indent))
    assert [(document.text, document.marks) for document in content.documents] == [
        ("It rains.", None),
        ("It snows.", None),
    ]


def test_relations_and_empty_texts_are_counted(tmp_path: Path) -> None:
    value = {"text": TEXT, "entities": DOCCANO, "relations": [{"id": 0, "from_id": 2, "to_id": 3, "type": "in"}]}
    content = read(tmp_path, lines(value, {"text": " ", "label": []}))
    assert len(content.documents) == 1
    assert content.notes == (
        "relations, left out: 1, the first in line 1",
        "empty texts, left out: 1, the first in line 2",
    )


def test_a_text_with_a_tag_for_each_word_is_a_tagged_sentence(tmp_path: Path) -> None:
    content = read(
        tmp_path, lines({"text": "Alice flew", "tags": "B-person O"}, {"text": "Bob", "labels": ["B-person"]})
    )
    assert [(each.words, each.tags) for each in content.sentences] == [
        (("Alice", "flew"), ("B-person", "O")),
        (("Bob",), ("B-person",)),
    ]


def test_annotators_of_pairs_wrap_them_with_their_classes(tmp_path: Path) -> None:
    content = read(
        tmp_path, json.dumps({"classes": ["person", "城市"], "annotations": [[TEXT, {"entities": SPANS}], None]})
    )
    assert [marked(document) for document in content.documents] == [FOUND]


def test_tables_of_columns_are_read(tmp_path: Path) -> None:
    by_row = {"text": {"0": TEXT, "1": TEXT}, "label": {"0": SPANS, "1": []}}
    for content in (by_row, {key: list(column.values()) for key, column in by_row.items()}):
        documents = read(tmp_path, json.dumps(content)).documents
        assert [marked(document) for document in documents] == [FOUND, []]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"text": "a b", "label": ["positive"]}, "names for 2 words"),
        ({"text": "a", "label": "positive"}, "names for 1 words"),
        ({"text": "a b", "label": 1}, "a list of"),
        ({"text": "a", "label": [[0, 1]]}, r"\[0, 1\]"),
        ({"text": "a", "label": [[True, 1, "x"]]}, "two whole numbers"),
        ({"text": "a", "label": [[0, 1.5, "x"]]}, "two whole numbers"),
        ({"text": "a", "label": [["0", "1", "x"]]}, "two whole numbers"),
        ({"text": "a", "label": [[0, 1, 3]]}, "a name"),
        ({"text": "a", "label": [[0, 1, ""]]}, "a name"),
        ({"text": "a", "label": [[0, 1, "\udc00"]]}, "surrogate"),
        ({"text": "a\ud800", "label": []}, "surrogate"),
        ({"text": "a", "spans": [[0, 1, "x"]], "entities": [[0, 1, "y"]]}, "several names"),
        ({"txt": "a"}, "no text"),
        ({"text": "a", "ents": [], "tokens": [{"start": 0, "end": 9}]}, "token"),
        ([1, 2], "no text"),
        (7, "no text"),
    ],
)
def test_wrong_shapes_are_one_error_with_the_line(value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"line 2: .*{message}"):
        read(tmp_path, lines({"text": "It rains.", "label": []}) + json.dumps(value))
