"""Label Studio: JSON and JSON-MIN, as it exports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from messages import names
from reading import lines, marked, read

from metamann.data.own.documents import Mark
from metamann.errors import DataError

TEXT = "👩‍🚀 Alice flew to 北京."


def region(start: int, end: int, *labels: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": list(labels)}
    return {
        "id": "aB3",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "origin": "manual",
        "value": value,
        **more,
    }


def task(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "annotations": list(annotations),
        "file_upload": "8c-own.txt",
        "drafts": [],
        "predictions": [],
        "data": {"text": TEXT},
        "meta": {},
        "created_at": "2026-03-01T10:00:00.000000Z",
        "total_annotations": len(annotations),
        "project": 1,
        **more,
    }


def annotation(*results: dict[str, Any], cancelled: bool = False) -> dict[str, Any]:
    return {"id": 3, "completed_by": 1, "result": list(results), "was_cancelled": cancelled, "ground_truth": False}


ALICE = region(4, 9, "person")
CITY = region(18, 20, "城市")


def test_a_task_is_a_text_with_marks(tmp_path: Path) -> None:
    content = read(tmp_path, json.dumps([task(annotation(ALICE, CITY))], indent=1))
    assert content.format == "Label Studio JSON"
    (document,) = content.documents
    assert (document.place, document.text) == ("task 7", TEXT)
    assert document.marks == (Mark(4, 9, "person", "Alice"), Mark(18, 20, "城市", "北京"))
    assert content.notes == ()


@pytest.mark.parametrize("wrap", ["array", "tasks", "lines", "one"])
def test_tasks_may_be_wrapped(wrap: str, tmp_path: Path) -> None:
    value = task(annotation(ALICE))
    text = {
        "array": json.dumps([value, value]),
        "tasks": json.dumps({"tasks": [value, value], "total": 2}),
        "lines": lines(value, value),
        "one": json.dumps(value, indent=2),
    }[wrap]
    content = read(tmp_path, text)
    assert [marked(document) for document in content.documents] == [[("Alice", "person")]] * (1 if wrap == "one" else 2)


def test_the_first_annotation_that_was_not_cancelled_is_read(tmp_path: Path) -> None:
    content = read(
        tmp_path, json.dumps([task(annotation(CITY, cancelled=True), annotation(ALICE), annotation(ALICE, CITY))])
    )
    assert marked(content.documents[0]) == [("Alice", "person")]
    cancelled, several = content.notes
    assert names(cancelled, "cancelled annotations", "left out: 1,", " task 7")
    assert names(several, "several annotations", "the first is read: 1,", " task 7")


def test_tasks_without_labels_are_told_from_tasks_without_entities(tmp_path: Path) -> None:
    values = [
        task(),
        task(annotation()),
        task(annotation(ALICE, cancelled=True)),
        task(predictions=[annotation(ALICE)]),
    ]
    content = read(tmp_path, json.dumps(values))
    assert [document.marks for document in content.documents] == [None, (), None]
    cancelled, predicted = content.notes
    assert names(cancelled, "tasks with cancelled annotations only", "left out: 1,", " task 7")
    assert names(predicted, "tasks with predictions", "not read: 1,", " task 7")


def test_results_that_label_no_text_are_counted(tmp_path: Path) -> None:
    others = [
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
        {"type": "choices", "value": {"choices": ["good"]}, "to_name": "text", "from_name": "mood"},
        {"type": "labels", "value": {"start": 0, "end": 2, "text": "x"}},
    ]
    content = read(tmp_path, json.dumps([task(annotation(ALICE, *others))]))
    assert marked(content.documents[0]) == [("Alice", "person")]
    (note,) = content.notes
    assert names(note, "results ", "no piece of the text", "left out: 3,", " task 7")


def test_of_several_labels_the_first_is_taken(tmp_path: Path) -> None:
    content = read(tmp_path, json.dumps([task(annotation(region(4, 9, "person", "pilot")))]))
    assert marked(content.documents[0]) == [("Alice", "person")]
    (note,) = content.notes
    assert names(note, "spans with several labels", "the first is taken: 1,", " task 7")


@pytest.mark.parametrize(
    "data",
    [{"body": TEXT}, {"title": "News", "body": TEXT}, {"text": "News", "body": TEXT}, {"text": TEXT, "id": "4"}],
)
def test_the_text_is_found_by_what_the_labels_cover(data: dict[str, str], tmp_path: Path) -> None:
    content = read(tmp_path, json.dumps([task(annotation(ALICE, CITY), data=data)]))
    assert content.documents[0].text == TEXT


def test_the_text_that_the_labels_point_to_is_taken(tmp_path: Path) -> None:
    bare = region(0, 1, "person", to_name="body")
    del bare["value"]["text"]
    content = read(tmp_path, json.dumps([task(annotation(bare), data={"text": "News", "body": "Alice"})]))
    assert content.documents[0].text == "Alice"


def test_hypertext_counts_globally(tmp_path: Path) -> None:
    value = {
        "start": "/div[1]/text()[1]",
        "end": "/div[1]/text()[1]",
        "startOffset": 4,
        "endOffset": 9,
        "globalOffsets": {"start": 4, "end": 9},
        "text": "Alice",
        "hypertextlabels": ["person"],
    }
    result = {"type": "hypertextlabels", "from_name": "ner", "to_name": "text", "value": value}
    content = read(tmp_path, json.dumps([task(annotation(result))]))
    assert marked(content.documents[0]) == [("Alice", "person")]


def test_json_min(tmp_path: Path) -> None:
    value = {"id": 1, "text": TEXT, "label": [ALICE["value"]], "annotator": 1, "annotation_id": 3, "lead_time": 2.5}
    empty = {"id": 2, "text": "It rains.", "annotator": 1, "annotation_id": 4, "lead_time": 1.0}
    renamed = {"id": 3, "text": TEXT, "entities_of_us": [CITY["value"]]}
    content = read(tmp_path, json.dumps([value, empty, renamed]))
    assert content.format == "Label Studio JSON-MIN"
    assert [marked(document) for document in content.documents] == [[("Alice", "person")], [], [("北京", "城市")]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (task(annotation(ALICE), data={"title": "a", "body": "b"}), "title, body"),
        (task(annotation(ALICE, {**CITY, "to_name": "other"})), "other, text"),
        (task(annotation(), data={}), "which of its data"),
        (
            task(annotation({"type": "labels", "value": {"start": "a", "end": True, "labels": ["x"]}})),
            "two whole numbers",
        ),
        ({"id": 7, "data": {"text": "a"}, "annotations": [4]}, "list of objects"),
        ({"id": 7, "data": {"text": "a"}, "annotations": [{"result": {"a": 1}}]}, "list of objects"),
        ({"id": 7, "data": {"text": "a \ud800"}, "annotations": []}, "surrogate"),
    ],
)
def test_wrong_shapes_are_one_error_with_the_task(value: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"task 7.*{message}"):
        read(tmp_path, json.dumps([value]))
