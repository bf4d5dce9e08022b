"""JSONL: spans of characters become spans of tokens, or are reported with row and offsets; none is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metamann.data.jsonl import Misaligned, jsonl, read_jsonl
from metamann.data.sentences import Sentence, Span
from metamann.data.tokens import tokenise
from metamann.errors import DataError

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=25) | st.text(
    st.sampled_from("ab. é\u0301👩\u200d🔬\n\u2028"), max_size=25
)


def put(folder: Path, *rows: object, ending: str = "\n") -> Path:
    path = folder / "own.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_bytes(ending.join(lines).encode())
    return path


FORMS = {
    "lists": lambda text, spans: {"text": text, "spans": spans},
    "doccano": lambda text, spans: {"id": 7, "text": text, "label": spans, "Comments": []},
    "doccano-labels": lambda text, spans: {"text": text, "labels": spans},
    "doccano-relations": lambda text, spans: {
        "text": text,
        "entities": [
            {"id": number, "label": type_, "start_offset": start, "end_offset": end}
            for number, (start, end, type_) in enumerate(spans)
        ],
        "relations": [],
    },
    "prodigy": lambda text, spans: {
        "text": text,
        "tokens": [],
        "spans": [{"start": start, "end": end, "token_start": 0, "label": type_} for start, end, type_ in spans],
        "answer": "accept",
    },
    "spacy": lambda text, spans: {
        "text": text,
        "ents": [{"start": start, "end": end, "label": type_} for start, end, type_ in spans],
    },
    "spacy-pair": lambda text, spans: [text, {"entities": spans}],
}


@pytest.mark.parametrize("form", FORMS)
def test_exports_of_annotation_tools_are_read(tmp_path: Path, form: str) -> None:
    text = "Zoë flew to New York."
    path = put(tmp_path, FORMS[form](text, [[12, 20, "city"], [0, 3, "person"]]), FORMS[form]("👩‍🔬 said no", []))
    file = read_jsonl(path)
    assert file.sentences == (
        Sentence(("Zoë", "flew", "to", "New", "York", "."), (Span(0, 1, "person"), Span(3, 5, "city"))),
        Sentence(("👩‍🔬", "said", "no"), ()),
    )
    assert not file.misaligned


@SAME_FOLDER
@given(st.data(), st.sampled_from(sorted(FORMS)))
def test_spans_on_token_borders_are_all_kept(tmp_path: Path, data: st.DataObject, form: str) -> None:
    text = data.draw(TEXTS.filter(lambda text: bool(text.strip())))
    tokens = tokenise(text)
    spans, end = [], 0
    while end < len(tokens) and data.draw(st.booleans()):
        start = data.draw(st.integers(end, len(tokens) - 1))
        end = data.draw(st.integers(start + 1, len(tokens)))
        spans.append(Span(start, end, data.draw(st.sampled_from(["x", "y z"]))))
    offsets = [[tokens[span.start][0], tokens[span.end - 1][1], span.type] for span in spans]
    file = read_jsonl(put(tmp_path, FORMS[form](text, data.draw(st.permutations(offsets))), ""))
    assert file.sentences == (Sentence(tuple(text[start:end] for start, end in tokens), tuple(spans)),)
    assert not file.misaligned


@SAME_FOLDER
@given(TEXTS, st.lists(st.tuples(st.integers(-3, 30), st.integers(-3, 30), st.sampled_from("xy")), max_size=6))
def test_every_span_is_kept_or_reported(tmp_path: Path, text: str, spans: list[tuple[int, int, str]]) -> None:
    file = read_jsonl(put(tmp_path, {"text": "first"}, {"text": text, "spans": spans}))
    tokens = tokenise(text)
    kept = [
        (tokens[span.start][0], tokens[span.end - 1][1], span.type)
        for sentence in file.sentences[1:]
        for span in sentence.spans
    ]
    assert Counter(kept) + Counter((each.start, each.end, each.type) for each in file.misaligned) == Counter(spans)
    assert all(each.row == 2 and each.reason for each in file.misaligned)
    for sentence in file.sentences:
        borders = [border for span in sentence.spans for border in span[:2]]
        assert borders == sorted(borders)


ROWS = (
    {"text": "Anna met Bob.", "spans": [[0, 4, "person"], [9, 12, "person"]]},
    {"text": "Anna met Bob.", "spans": [[0, 3, "person"], [9, 13, "end"], [5, 5, "none"], [9, 99, "far"]]},
    {"text": "New York Times", "spans": [[0, 14, "paper"], [0, 8, "city"], [0, 14, "paper"], [9, 15, "x"]]},
    {"text": "in Rome ", "spans": [[3, 8, "city"]]},
)
REPORTED = [(2, 0, 3), (2, 5, 5), (2, 9, 99), (3, 0, 14), (3, 0, 8), (3, 9, 15), (4, 3, 8)]


def test_misaligned_spans_are_an_error_that_names_the_first_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        jsonl(str(put(tmp_path, *ROWS)))
    for part in ("7 spans of", "own.jsonl", "row 2, characters 0 to 3 (person)", "and 2 more", "=report"):
        assert part in str(error.value)


def test_misaligned_spans_are_reported_if_asked_and_counted(tmp_path: Path) -> None:
    path = put(tmp_path, *ROWS)
    with pytest.warns(UserWarning, match=r"left out: 7 spans of .*row 2, characters 0 to 3 \(person\)"):
        splits = jsonl(str(path), misaligned="report", shares=(0, 0, 1))
    assert [sentence.spans for sentence in splits.test.sentences] == [
        (Span(0, 1, "person"), Span(2, 3, "person")),
        (Span(2, 4, "end"),),
        (Span(0, 3, "paper"),),
        (),
    ]
    file = read_jsonl(path)
    assert [each[:3] for each in file.misaligned] == REPORTED
    assert splits.notes[0].endswith("left out: 7 misaligned spans, 0 texts not accepted, 0 empty texts")
    assert len([note for note in splits.notes if note.startswith("own.jsonl, row")]) == 7


def test_a_misaligned_span_says_what_is_wrong(tmp_path: Path) -> None:
    file = read_jsonl(put(tmp_path, {"text": "Annabel", "spans": [[0, 4, "person"]]}))
    assert file.misaligned == (Misaligned(1, 0, 4, "person", "'Anna' in 'Annabel' does not fall on token borders"),)


def test_texts_not_accepted_and_empty_ones_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"text": text, "answer": answer} for text, answer in (("a", "accept"), ("b", "reject"), ("c", "ignore"))]
    file = read_jsonl(put(tmp_path, *rows, {"text": " \n "}, {"text": "", "spans": [[0, 1, "x"]]}, "", " "))
    assert [sentence.tokens for sentence in file.sentences] == [("a",)]
    assert (file.rejected, file.empty) == ((2, 3), (4, 5))
    assert [each.row for each in file.misaligned] == [5]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_endings_and_line_separators_in_texts(tmp_path: Path, ending: str) -> None:
    path = put(tmp_path, "\ufeff" + json.dumps({"text": "a\u2028b"}, ensure_ascii=False), {"text": "c"}, ending=ending)
    assert [sentence.tokens for sentence in read_jsonl(path).sentences] == [("a", "b"), ("c",)]


def test_a_text_of_2000_tokens_stays_whole(tmp_path: Path) -> None:
    file = read_jsonl(put(tmp_path, {"text": "word " * 2000, "spans": [[9990, 9999, "x"]]}))
    assert len(file.sentences[0].tokens) == 2000
    assert file.sentences[0].spans == (Span(1998, 2000, "x"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "is no JSON"),
        ('{"text": "a"} {"text": "b"}', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("3", "has no text"),
        ("[]", "has no text"),
        ({"spans": []}, "has no text"),
        ({"text": None}, "has no text"),
        ('{"text": "a\\ud83d"}', "half a surrogate pair"),
        ({"text": "a", "spans": {"start": 0}}, "one list of spans"),
        ({"text": "a", "label": "spam"}, "one list of spans"),
        ({"text": "a", "spans": [[0, 1, "x"]], "label": [[0, 1, "x"]]}, "it has 2"),
        ({"text": "a", "spans": [[0, 1]]}, "a span is"),
        ({"text": "a", "spans": [["0", 1, "x"]]}, "a span is"),
        ({"text": "a", "spans": [[0, 1.0, "x"]]}, "a span is"),
        ({"text": "a", "spans": [[False, True, "x"]]}, "a span is"),
        ({"text": "a", "spans": [[0, 1, ""]]}, "a span is"),
        ({"text": "a", "spans": [[0, 1, None]]}, "a span is"),
        ({"text": "a", "spans": [{"start": 0, "label": "x"}]}, "a span is"),
        ({"text": "a", "spans": ["x"]}, "a span is"),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, row: object, message: str) -> None:
    path = put(tmp_path, {"text": "good"}, "", row)
    with pytest.raises(DataError) as error:
        read_jsonl(path)
    assert str(error.value).startswith(f"{path}, line 3")
    assert message in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "spans", "label", "start", "end"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@SAME_FOLDER
@given(st.lists(JSON | st.text(max_size=20), max_size=3))
def test_any_json_is_read_or_refused_never_a_traceback(tmp_path: Path, rows: list[Any]) -> None:
    path = put(tmp_path, *(row if isinstance(row, str) else json.dumps(row) for row in rows))
    try:
        file = read_jsonl(path)
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017  # both outcomes are right
    else:
        assert all(sentence.tokens for sentence in file.sentences)


@pytest.mark.parametrize("content", [b"", b"\n \n", b'{"text": ""}'])
def test_a_file_without_sentences_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"own\.jsonl holds no sentences"):
        read_jsonl(path)


def test_options_and_paths_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.misaligned=drop is unknown; choose error or report"):
        jsonl(str(put(tmp_path, {"text": "a"})), misaligned="drop")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"nowhere\.jsonl cannot be read"):
        jsonl(str(tmp_path / "nowhere.jsonl"))


def test_types_of_a_file_are_dealt_to_the_splits(tmp_path: Path) -> None:
    path = put(tmp_path, *({"text": f"w{number} x", "label": [[0, 2, f"type{number}"]]} for number in range(5)))
    splits = jsonl(str(path))
    assert splits.name == "jsonl/own.jsonl"
    assert [len(splits.split(part).types) for part in ("train", "val", "test")] == [3, 1, 1]
