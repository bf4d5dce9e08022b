"""The table over all jobs that a sweep (`-m`) ends with."""

from __future__ import annotations

import atexit
import csv
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from metamann.commands.shell import Failure, print_run_directory, stop
from metamann.errors import LONGEST_MESSAGE, shorten
from metamann.evaluation.metrics import Interval, shown


class SweepTable(Callback):
    """Writes `sweep.md` and `sweep.csv` into the sweep's directory when its last job has ended.

    A launcher may run the jobs in other processes, each with a copy of this object. So every job leaves a record of its
    start and of its end in a folder made for this one sweep: jobs of an older sweep are not taken for its own, and one
    that was killed is missed.
    """

    def __init__(self) -> None:
        self.records = ""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Make the folder of the records."""
        try:
            directory = Path(config.hydra.sweep.dir).resolve()
            directory.mkdir(parents=True, exist_ok=True)
            self.records = tempfile.mkdtemp(prefix=".jobs-", dir=directory)
        except OSError as error:
            stop(error)  # Hydra would turn it into a warning
        # of a sweep that is stopped, too
        atexit.register(shutil.rmtree, self.records, ignore_errors=True)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Note that a job was started, and where."""
        self._record(config, "it was killed")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Note how it ended."""
        if job_return.status is not JobStatus.COMPLETED:
            self._record(config, "it raised an error")
        elif isinstance(job_return.return_value, Failure):
            self._record(config, job_return.return_value.reason)
        else:
            self._record(config, None)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Collect what the jobs left behind, print it, and name those that failed."""
        directory = Path(config.hydra.sweep.dir).resolve()
        try:
            failed = _write_table(directory, _jobs(Path(self.records)))
            shutil.rmtree(self.records)
        except (OSError, ValueError, KeyError) as error:
            stop(error)
        if failed:
            jobs = "1 job" if len(failed) == 1 else f"{len(failed)} jobs"
            names = f"{jobs} of the sweep failed, see above and sweep.md: {', '.join(failed)}."
            print(f"error: {shorten(names, LONGEST_MESSAGE)}", file=sys.stderr)
        print_run_directory(directory)
        if failed:
            sys.exit(2)

    def _record(self, config: DictConfig, failure: str | None) -> None:
        if self.records:  # there are none of a single run
            job = {
                "number": config.hydra.job.num,
                "directory": config.hydra.runtime.output_dir,
                "overrides": list(config.hydra.overrides.task),
                "failure": failure,
            }
            (Path(self.records) / f"{job['number']}.json").write_text(json.dumps(job))


def _jobs(records: Path) -> list[dict[str, Any]]:
    """What the jobs have noted, in the order of their numbers; two in one directory have overwritten each other."""
    jobs = sorted((json.loads(path.read_text()) for path in records.iterdir()), key=lambda job: job["number"])
    last = {job["directory"]: job["number"] for job in jobs}
    for job in jobs:
        if job["failure"] is None and last[job["directory"]] != job["number"]:
            job["failure"] = "another job has the same directory: put ${hydra:job.num} into hydra.sweep.subdir"
    return jobs


def _write_table(directory: Path, jobs: list[dict[str, Any]]) -> list[str]:
    """Write and print the table; the names of jobs that failed."""
    rows = [_row(directory, job) for job in jobs]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = [columns, ["---"] * len(columns), *([row.get(name, "") for name in columns] for row in rows)]
    text = "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in table)
    (directory / "sweep.md").write_text(text + "\n")
    with (directory / "sweep.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    print(text)
    return [row["job"] for row in rows if "failed" in row]


def _row(directory: Path, job: dict[str, Any]) -> dict[str, str]:
    """A job's line of the table: its metrics, or why it has none."""
    where = Path(job["directory"])
    name = str(where.relative_to(directory)) if where.is_relative_to(directory) else str(where)
    row = {"job": name, "overrides": " ".join(job["overrides"])}
    results = where / "results.json"
    if job["failure"] is not None or not results.is_file():
        return {**row, "failed": job["failure"] or "it has no results"}
    metrics = {key: _interval(interval) for key, interval in json.loads(results.read_text())["metrics"].items()}
    return row | {key: f"{mean:.2f} ± {(high - low) / 2:.2f}" for key, (mean, low, high) in shown(metrics).items()}


def _interval(ends: Mapping[str, float | None]) -> Interval:
    """An interval of `results.json`, which has null for numbers that are not finite."""
    return Interval(**{name: math.nan if value is None else value for name, value in ends.items()})
