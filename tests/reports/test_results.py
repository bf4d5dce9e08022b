"""Results files keep their contract with programs (DESIGN.md, "Commands") and can be read by people."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from metamann.evaluation.metrics import Interval
from metamann.reports.results import results_table, write_results

PROTOCOL = {"data": "toy", "split": "test", "name": "online_stream", "ways": [2, 5], "codes": {"kind": "onehot"}}
METRICS = {"accuracy": Interval(0.87654, 0.86, 0.89), "accuracy/instance_1": Interval(0.4, 0.35, 0.45)}
CONTEXT = {
    "checkpoint": "run/checkpoints/best.pt",
    "tasks_sha256": "abc",
    "command": "metamann-evaluate checkpoint=run",
}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_results(tmp_path, PROTOCOL, 1000, 7, METRICS, CONTEXT)
    return tmp_path


def test_the_file_for_programs_has_protocol_episodes_seed_and_metrics(written: Path) -> None:
    content: dict[str, Any] = json.loads((written / "results.json").read_text())
    assert content["protocol"] == PROTOCOL
    assert content["episodes"] == 1000
    assert content["seed"] == 7
    assert content["metrics"] == {
        "accuracy": {"mean": 0.87654, "low": 0.86, "high": 0.89},
        "accuracy/instance_1": {"mean": 0.4, "low": 0.35, "high": 0.45},
    }
    assert {name: content[name] for name in CONTEXT} == CONTEXT


def test_the_file_for_people_says_the_same_in_percent(written: Path) -> None:
    text = (written / "results.md").read_text()
    assert "| accuracy | 87.65 | 86.00 to 89.00 |" in text
    assert "| accuracy/instance_1 | 40.00 | 35.00 to 45.00 |" in text
    assert "1000 episodes, task seed 7" in text
    for fact in ("ways: [2, 5]", "split: test", "tasks_sha256: abc", "command: metamann-evaluate checkpoint=run"):
        assert fact in text


def test_the_table_is_markdown_with_one_row_a_metric() -> None:
    table = results_table(METRICS)
    assert {line.count("|") for line in table} == {4}
    assert len(table) == 2 + len(METRICS)


def test_bits_are_no_percent(tmp_path: Path) -> None:
    write_results(tmp_path, PROTOCOL, 2, 0, {"bits_per_sequence": Interval(0.08, 0.05, 0.11)}, CONTEXT)
    assert "| bits_per_sequence, in bits | 0.08 | 0.05 to 0.11 |" in (tmp_path / "results.md").read_text()


def test_results_replace_those_that_were_there(written: Path) -> None:
    write_results(written, PROTOCOL, 10, 8, METRICS, CONTEXT)
    assert json.loads((written / "results.json").read_text())["episodes"] == 10
    assert sorted(file.name for file in written.iterdir()) == ["results.json", "results.md"]


def test_where_nothing_is_labelled_there_is_no_score_and_a_sentence_that_says_why(tmp_path: Path) -> None:
    write_results(tmp_path, PROTOCOL, 1, 0, {}, CONTEXT)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["metrics"] == {}
    assert {"protocol", "episodes", "seed", *CONTEXT} <= set(content)
    text = (tmp_path / "results.md").read_text()
    assert text.startswith("Nothing is scored: the query has no labels.\n")
    assert "%" not in text
    assert "ways: [2, 5]" in text


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    metrics = {"bits_per_sequence": Interval(0.1, 0.0, math.inf)}
    write_results(tmp_path, PROTOCOL, 2, 0, metrics, {"memory": {"entropy": math.nan}})
    text = (tmp_path / "results.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    content = json.loads(text)
    assert content["metrics"]["bits_per_sequence"] == {"mean": 0.1, "low": 0.0, "high": None}
    assert content["memory"] == {"entropy": None}


def test_names_with_half_a_surrogate_pair_are_written(tmp_path: Path) -> None:
    write_results(tmp_path, {"data": "own\ud800"}, 2, 0, METRICS, {"checkpoint": "\udcff"})
    assert json.loads((tmp_path / "results.json").read_text())["protocol"]["data"] == "own\ud800"
    assert "data: own\\ud800" in (tmp_path / "results.md").read_text()
