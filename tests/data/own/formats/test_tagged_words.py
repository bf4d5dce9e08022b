"""JSON objects of words: Hugging Face, GLiNER, training data of spaCy 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reading import lines, marked, read, words

from metamann.errors import DataError

NAMES = ["O", "B-person", "I-person", "B-城市"]
WORDS = ["Alice", "Meyer", "sah", "北京"]
TAGS = ["B-person", "I-person", "O", "B-城市"]
ROW = {"id": "0", "tokens": WORDS, "pos_tags": [0, 1, 2, 0], "ner_tags": [1, 2, 0, 3]}
INFO = {
    "features": {"tokens": {}, "ner_tags": {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"}}
}


@pytest.mark.parametrize("key", ["ner_tags", "ner", "tags", "labels", "label", "my_bio"])
@pytest.mark.parametrize("word_key", ["tokens", "words", "sentence", "text"])
def test_words_and_tags_are_read_under_their_usual_names(word_key: str, key: str, tmp_path: Path) -> None:
    content = read(tmp_path, lines({word_key: WORDS, key: TAGS}, {word_key: ["Bob"], key: ["O"]}))
    assert content.format == "Hugging Face tokens and tags"
    first, second = content.sentences
    assert (first.words, first.tags) == (tuple(WORDS), tuple(TAGS))
    assert first.places == ("line 1",) * 4
    assert (second.words, second.tags) == (("Bob",), ("O",))


@pytest.mark.parametrize(
    "content",
    [
        lines({"names": NAMES}, ROW),
        lines({"id2label": {str(number): name for number, name in enumerate(NAMES)}}, ROW),
        json.dumps({"label_names": NAMES, "train": [ROW]}),
        json.dumps({"label2id": {name: number for number, name in enumerate(NAMES)}, "data": [ROW]}),
        json.dumps({**INFO, "train": [ROW]}),
        json.dumps(
            {
                "features": [{"name": "ner_tags", "type": {"feature": {"names": NAMES, "_type": "ClassLabel"}}}],
                "rows": [{"row_idx": 0, "row": ROW, "truncated_cells": []}],
            }
        ),
        json.dumps({"names": NAMES, "tokens": [WORDS], "ner_tags": [ROW["ner_tags"]]}),
        json.dumps({**ROW, "names": NAMES}),
    ],
)
def test_numbers_get_their_names_from_the_file(content: str, tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, content).sentences
    assert sentence.tags == tuple(TAGS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset_info.json", INFO),
        ("dataset_infos.json", {"default": INFO}),
        (
            "dataset_info.json",
            {"features": [{"name": "ner_tags", "sequence": {"class_label": {"names": dict(enumerate(NAMES))}}}]},
        ),
    ],
)
def test_numbers_get_their_names_from_the_description_beside(name: str, content: Any, tmp_path: Path) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    (sentence,) = read(tmp_path, lines(ROW)).sentences
    assert sentence.tags == tuple(TAGS)


def test_numbers_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1: .*numbers without names; put the dataset_info\.json"):
        read(tmp_path, lines(ROW))
    with pytest.raises(DataError, match="tag 3 has no name; there are 3 names"):
        read(tmp_path, lines({"names": NAMES[:3]}, ROW))
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset_info\.json is no JSON"):
        read(tmp_path, lines(ROW))


def test_words_without_tags_are_unlabelled(tmp_path: Path) -> None:
    content = read(
        tmp_path, lines({"tokens": WORDS}, {"tokens": WORDS, "ner_tags": None}, {"tokens": [], "ner_tags": []})
    )
    assert [sentence.tags for sentence in content.sentences] == [None, None]
    assert content.notes == ("empty texts, left out: 1, the first in line 3",)


def test_a_word_without_a_tag_has_none(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, lines({"tokens": WORDS, "tags": ["B-person", None, "", "O"]})).sentences
    assert sentence.tags == ("B-person", None, None, "O")


def test_gliner_counts_words_and_names_the_last(tmp_path: Path) -> None:
    content = read(tmp_path, json.dumps([{"tokenized_text": WORDS, "ner": [[0, 1, "person"], [3, 3, "城市"]]}]))
    assert content.format == "GLiNER"
    (document,) = content.documents
    assert words(document) == WORDS
    assert marked(document) == [("Alice Meyer", "person"), ("北京", "城市")]


def test_gliner_without_spans_is_unlabelled(tmp_path: Path) -> None:
    assert [each.marks for each in read(tmp_path, lines({"tokenized_text": WORDS})).documents] == [None]


def test_training_data_of_spacy_2(tmp_path: Path) -> None:
    tokens = [{"id": 0, "orth": "Alice", "ner": "U-person"}, {"id": 1, "orth": "flew", "ner": "O"}]
    bare = [{"orth": "It", "ner": "-"}, {"orth": "rains"}]
    value = [{"id": 0, "paragraphs": [{"raw": "x", "sentences": [{"tokens": tokens}, {"tokens": bare}]}]}]
    content = read(tmp_path, json.dumps(value))
    assert [(each.words, each.tags) for each in content.sentences] == [
        (("Alice", "flew"), ("U-person", "O")),
        (("It", "rains"), None),
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"tokens": WORDS, "ner_tags": ["O"]}, "4 words, but 'ner_tags' is 1"),
        ({"tokens": WORDS, "ner_tags": 3}, "'ner_tags' is 3"),
        ({"tokens": ["a", 3], "ner_tags": ["O", "O"]}, "word 2 is 3"),
        ({"tokens": ["a", " "], "ner_tags": ["O", "O"]}, "word 2 is ' '"),
        ({"tokens": ["a"], "ner_tags": [True]}, "a tag is True"),
        ({"tokens": ["a\ud800"], "ner_tags": ["O"]}, "surrogate"),
        ({"tokens": ["a"], "ner_tags": ["B-\ud800"]}, "surrogate"),
        ({"tokens": WORDS, "entities": [{"type": "person", "start": 0, "end": 2}]}, "a tag a word"),
        ({"tokenized_text": WORDS, "ner": [[0, 4, "x"]]}, "outside of its 4 words"),
        ({"tokenized_text": WORDS, "ner": [[2, 1, "x"]]}, "outside of its 4 words"),
        ({"tokenized_text": WORDS, "ner": {"x": 1}}, "a list of"),
        ({"tokenized_text": WORDS, "ner": [["0", "1", "x"]]}, "numbers of words"),
        ({"tokenized_text": ["a", None], "ner": []}, "word 2 is None"),
        ({"paragraphs": [{"sentences": [{"tokens": [3]}]}]}, "a paragraph should be"),
        ({"paragraphs": [3]}, "a paragraph should be"),
    ],
)
def test_wrong_shapes_are_one_error_with_the_line(value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"line 1: .*{message}"):
        read(tmp_path, json.dumps(value))
