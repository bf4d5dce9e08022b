"""The table over all jobs of a sweep, in Markdown and as comma-separated values."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metamann.evaluation.metrics import Interval, in_percent


def read_jobs(records: Path) -> list[dict[str, Any]]:
    """The records of the jobs in the order of their numbers; of jobs with one directory, only the last counts."""
    jobs = sorted((json.loads(path.read_text()) for path in records.iterdir()), key=lambda job: job["number"])
    last = {job["directory"]: job["number"] for job in jobs}
    for job in jobs:
        if job["failure"] is None and last[job["directory"]] != job["number"]:
            job["failure"] = "another job has the same directory: put ${hydra:job.num} into hydra.sweep.subdir"
    return jobs


def write_sweep_table(directory: Path, jobs: Sequence[Mapping[str, Any]]) -> tuple[list[str], str]:
    """Write `sweep.md` and `sweep.csv`.

    Args:
        directory: of the sweep.
        jobs: for each its `directory`, its `overrides`, and `failure`, the reason for its failure or None.

    Returns:
        The names of the jobs that failed, and the table in Markdown.

    Raises:
        OSError: if a file cannot be read or written.
        ValueError: if the results of a job are not readable.
    """
    rows = [_row(directory, job) for job in jobs]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = [columns, ["---"] * len(columns), *([row.get(name, "") for name in columns] for row in rows)]
    text = "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in table)
    (directory / "sweep.md").write_text(text + "\n")
    with (directory / "sweep.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return [row["job"] for row in rows if "failed" in row], text


def _row(directory: Path, job: Mapping[str, Any]) -> dict[str, str]:
    """The row of a job: its metrics, or the reason why it has none."""
    where = Path(job["directory"])
    name = str(where.relative_to(directory)) if where.is_relative_to(directory) else str(where)
    row = {"job": name, "overrides": " ".join(job["overrides"])}
    results = where / "results.json"
    if job["failure"] is not None or not results.is_file():
        return {**row, "failed": job["failure"] or "it has no results"}
    metrics = {key: _interval(interval) for key, interval in json.loads(results.read_text())["metrics"].items()}
    return row | {key: f"{mean:.2f} ± {(high - low) / 2:.2f}" for key, (mean, low, high) in in_percent(metrics).items()}


def _interval(ends: Mapping[str, float | None]) -> Interval:
    """An interval from `results.json`, in which null stands for numbers that are not finite."""
    return Interval(**{name: math.nan if value is None else value for name, value in ends.items()})
