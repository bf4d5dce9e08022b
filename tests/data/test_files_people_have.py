"""Small files of kinds that were once read wrong without a word: what they hold, or why they are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metamann.data.own.own_task import own_task
from metamann.data.own.reader import read_sentences
from metamann.errors import DataError


def spans_of(path: Path) -> list[tuple[str, str]]:
    return [
        (" ".join(sentence.tokens[span.start : span.end]), span.type)
        for sentence in read_sentences(path).sentences
        for span in sentence.spans
    ]


def lines_of(*items: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, items))


def item(text: str, *label: tuple[int, int, str]) -> dict[str, Any]:
    return {"text": text, "label": label}


@pytest.mark.parametrize(
    ("items", "spans"),
    [
        ([item("Tomó 5mg ayer", (6, 8, "UNIT"))], [("mg", "UNIT")]),
        ([item("\U0001f600 take 200mg now", (10, 12, "UNIT"))], [("mg", "UNIT")]),
        (
            [item("Café iPhone sale", (6, 11, "PROD")), item("He saw Anna", (7, 11, "PER"))],
            [("Phone", "PROD"), ("Anna", "PER")],
        ),
        (
            [item("\U0001f600 Anna in Rome", (3, 7, "PER"), (11, 15, "LOC"))],
            [("Anna", "PER"), ("Rome", "LOC")],
        ),
        (
            [item("Title line\r\nAnna lives\r\nin Rome now", (11, 15, "PER"), (25, 29, "LOC"))],
            [("Anna", "PER"), ("Rome", "LOC")],
        ),
    ],
    ids=["an accent", "an emoji", "a suffix", "UTF-16 units", "line ends"],
)
def test_offsets_are_converted_only_where_more_marks_fit(
    items: list[dict[str, Any]], spans: list[tuple[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "own.jsonl").write_text(lines_of(*items))
    assert spans_of(tmp_path / "own.jsonl") == spans


def test_offsets_that_fit_in_two_units_are_said(tmp_path: Path) -> None:
    text = "\U0001f600张三在北京工作，李四去上海了。"  # noqa: RUF001
    (tmp_path / "own.jsonl").write_text(lines_of(item(text, (2, 4, "PER"), (5, 7, "LOC"))))
    assert any("fit as UTF-16 units too" in note for note in read_sentences(tmp_path / "own.jsonl").notes)


@pytest.mark.parametrize(
    "text",
    [
        "s1 Anna B-PER\ns1 lives O\ns2 Rome B-LOC\ns2 fell O\n",
        "d1\t1\tAnna\tB-PER\nd1\t1\tlives\tO\nd1\t2\tRome\tB-LOC\nd2\t1\tfell\tO\n",
        "a.txt\tAnna\t0_4\tB-PER\na.txt\tlives\t5_10\tO\n\nb.txt\tRome\t0_4\tB-LOC\nb.txt\tfell\t5_9\tO\n",
        "w1 Anna B-PER\nw2 lives O\n\nw1 Rome B-LOC\nw2 fell O\n",
        "0:4 Anna B-PER\n5:10 lives O\n\n0:4 Rome B-LOC\n",
        "sentence_id,word,named_entity\n1,Anna,B-PER\n1,lives,O\n2,Rome,B-LOC\n",
        "id,data,label\n1,\"Anna lives in Rome.\",\"[[0, 4, 'PER'], [14, 18, 'LOC']]\"\n",
    ],
)
def test_columns_of_identifiers_and_of_any_name_are_told_from_words_and_tags(text: str, tmp_path: Path) -> None:
    for name in ("own.txt", "own.tsv"):
        (tmp_path / name).write_text(text)
        assert spans_of(tmp_path / name) == [("Anna", "PER"), ("Rome", "LOC")]


def test_a_column_of_tags_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("Token\tPOS\tEntity Tag\nAnna\tNNP\tB-PER\nlives\tVBZ\tO\n")
    assert spans_of(tmp_path / "own.tsv") == [("Anna", "PER")]


@pytest.mark.parametrize(
    ("name", "text"),
    [("q.tsv", "Anna lives here\nTom works there\n"), ("q.ner", "Anna lives here.\n"),
     ("q.csv", 'id,comment\n1,"Anna lives"\n2,"Tom works"\n')],
)  # fmt: skip
def test_sentences_stay_sentences_whatever_their_file_is_called(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert all(len(sentence.tokens) > 1 for sentence in read_sentences(tmp_path / name).sentences)


def test_columns_of_sentences_are_refused(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("1\tAnna lives in Rome.\n2\tTom works at IBM.\n")
    with pytest.raises(DataError, match="has sentences in its columns"):
        read_sentences(tmp_path / "q.tsv")


def test_a_query_with_other_tags_alone_is_not_scored(tmp_path: Path) -> None:
    (tmp_path / "support.conll").write_text("Anna B-person\nlives O\n")
    (tmp_path / "query.conll").write_text("Tom NNP B-NP\nworks VBZ B-VP\n. . O\n")
    assert not own_task(str(tmp_path / "support.conll"), str(tmp_path / "query.conll")).test.labelled
