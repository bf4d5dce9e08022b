"""The table of a sweep."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from metamann.reports.sweep_table import write_sweep_table


def test_jobs_have_a_row_each_with_their_metrics_or_their_failure(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    metrics = {"accuracy": {"mean": 0.5, "low": 0.4, "high": 0.6}, "f1": {"mean": None, "low": None, "high": None}}
    (tmp_path / "0" / "results.json").write_text(json.dumps({"metrics": metrics}))
    jobs = [
        {"directory": str(tmp_path / "0"), "overrides": ["seed=0"], "failure": None},
        {"directory": str(tmp_path / "1"), "overrides": ["seed=1"], "failure": "a | b"},
        {"directory": str(tmp_path / "2"), "overrides": ["seed=2"], "failure": None},
    ]
    failed, text = write_sweep_table(tmp_path, jobs)
    assert failed == ["1", "2"]
    assert (tmp_path / "sweep.md").read_text() == text + "\n"
    assert "| 0 | seed=0 | 50.00 ± 10.00 |" in text
    assert r"a \| b" in text
    with (tmp_path / "sweep.csv").open(newline="") as file:
        assert [row["failed"] for row in csv.DictReader(file)] == ["", "a | b", "it has no results"]
