"""A task from a user's own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metamann.data.own_task import own_task
from metamann.data.sentences import Span
from metamann.errors import DataError

COLUMNS = "Ada B-person\nLovelace I-person\nlives O\nin O\nLondon B-city\n\nHello O\n"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_columns_teach_and_lines_of_text_are_asked(tmp_path: Path) -> None:
    support = write(tmp_path / "support.conll", COLUMNS)
    query = write(tmp_path / "query.txt", "Grace Hopper, of York.\n\n😀 hi\n")
    splits = own_task(support, query)
    (episode,) = splits.test.episodes
    assert splits.train.episodes == splits.val.episodes == ()
    assert episode.types == ("city", "person")
    assert episode.support[0].spans == (Span(0, 2, "person"), Span(4, 5, "city"))
    assert [sentence.tokens for sentence in episode.query] == [
        ("Grace", "Hopper", ",", "of", "York", "."),
        ("😀", "hi"),
    ]


def test_jsonl_goes_for_both(tmp_path: Path) -> None:
    line = json.dumps({"text": "Ada in London", "spans": [[0, 3, "person"], [7, 13, "city"]]})
    path = write(tmp_path / "both.jsonl", line + "\n")
    (episode,) = own_task(path, path).test.episodes
    assert episode.support == episode.query
    assert episode.query[0].spans == (Span(0, 1, "person"), Span(2, 3, "city"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.conll", "Hello O\n", "no entity"),
        ("a.jsonl", '{"text": "Ada", "spans": [[0, 2, "person"]]}', r"'Ad' in 'Ada'.*Repair"),
    ],
)
def test_a_support_that_teaches_nothing_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own_task(write(tmp_path / name, text), write(tmp_path / "query.txt", "Hello\n"))


def test_an_empty_or_missing_query_is_refused(tmp_path: Path) -> None:
    support = write(tmp_path / "support.conll", COLUMNS)
    with pytest.raises(DataError, match="no sentences"):
        own_task(support, write(tmp_path / "query.txt", "\n \n"))
    with pytest.raises(DataError, match="cannot be read"):
        own_task(support, str(tmp_path / "missing.txt"))
