"""The table of a sweep: over the jobs that it started, wherever they ran and lie, failed ones among them."""

from __future__ import annotations

import csv
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from commandline import Ended, run
from hydra.core.utils import JobReturn, JobStatus
from messages import names
from omegaconf import OmegaConf

from metamann.commands.shell import Failure
from metamann.commands.sweep import SweepTable
from metamann.reports.sweep_table import _interval

METRICS = {"accuracy": {"mean": 0.5, "low": 0.4, "high": 0.6}}
COPY = ["experiment=copy", "memory=ntm", "memory.hidden=8", "protocol.lengths=2", "trainer.steps=1",
        "trainer.validate_every=1", "validation.episodes=2", "trainer.batch_size=2", "logger.wandb=false",
        "logger.tensorboard=false"]  # fmt: skip


def job_config(sweep: Path, number: int, where: str) -> Any:
    hydra = {
        "sweep": {"dir": str(sweep)},
        "job": {"num": number},
        "runtime": {"output_dir": str(sweep / where)},
        "overrides": {"task": [f"seed={number}"]},
    }
    return OmegaConf.create({"hydra": hydra})


def end_job(table: SweepTable, config: Any, value: float, status: JobStatus = JobStatus.COMPLETED) -> None:
    """Start and end a job with a copy of the callback, as another process has it."""
    copy: SweepTable = pickle.loads(pickle.dumps(table))
    copy.on_job_start(config)
    directory = Path(config.hydra.runtime.output_dir)
    directory.mkdir(parents=True, exist_ok=True)
    if not isinstance(value, Failure) and status is JobStatus.COMPLETED:
        (directory / "results.json").write_text(json.dumps({"metrics": METRICS}))
    result = JobReturn(status=status)
    result.return_value = value
    copy.on_job_end(config, result)


def table_of(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_jobs_that_ran_in_other_processes_are_found_wherever_they_lie(tmp_path: Path, capsys: Any) -> None:
    table = SweepTable()
    table.on_multirun_start(job_config(tmp_path, 0, ""))
    for number, where in [(10, "b/c"), (2, "lr=1,seed=0/x"), (1, "../elsewhere")]:
        end_job(table, job_config(tmp_path, number, where), 0.5)
    table.on_multirun_end(job_config(tmp_path, 0, ""))
    assert [row["job"] for row in table_of(tmp_path)] == ["../elsewhere", "lr=1,seed=0/x", "b/c"]
    assert [row["accuracy"] for row in table_of(tmp_path)] == ["50.00 ± 10.00"] * 3
    assert "failed" not in table_of(tmp_path)[0]
    assert not list(tmp_path.glob(".jobs-*"))
    assert capsys.readouterr().out.endswith(f"run directory: {tmp_path}\n")


def test_failed_killed_and_older_jobs_are_told_apart(tmp_path: Path, capsys: Any) -> None:
    for name in ("0", "1", "9"):  # of an older sweep in the same place
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps({"metrics": METRICS}))
        (tmp_path / name / ".hydra").mkdir()
    table = SweepTable()
    table.on_multirun_start(job_config(tmp_path, 0, ""))
    end_job(table, job_config(tmp_path, 0, "0"), Failure("memory.slots=0 | must be at least 1."))
    table.on_job_start(job_config(tmp_path, 1, "1"))  # and then it is killed
    end_job(table, job_config(tmp_path, 2, "2"), float("nan"))  # a score of nothing is no failure
    end_job(table, job_config(tmp_path, 3, "3"), 0.0, JobStatus.FAILED)
    end_job(table, job_config(tmp_path, 4, "5"), 0.5)
    end_job(table, job_config(tmp_path, 5, "5"), 0.5)
    with pytest.raises(SystemExit) as ended:
        table.on_multirun_end(job_config(tmp_path, 0, ""))
    assert ended.value.code == 2
    rows = table_of(tmp_path)
    assert [row["job"] for row in rows] == ["0", "1", "2", "3", "5", "5"]
    assert [row["failed"].partition(" ")[0] for row in rows] == ["memory.slots=0", "it", "", "it", "another", ""]
    assert [bool(row["accuracy"]) for row in rows] == [False, False, True, False, False, True]
    error = capsys.readouterr().err
    assert names(error.removesuffix("\n"), "error: ", "4 jobs", "failed", "sweep.md", " 0, 1, 3, 5")
    markdown = (tmp_path / "sweep.md").read_text()
    assert "memory.slots=0 \\| must" in markdown


def test_a_table_that_cannot_be_written_is_no_success(tmp_path: Path, capsys: Any) -> None:
    table = SweepTable()
    table.on_multirun_start(job_config(tmp_path, 0, ""))
    (tmp_path / "sweep.md").mkdir()
    with pytest.raises(SystemExit) as ended:
        table.on_multirun_end(job_config(tmp_path, 0, ""))
    assert ended.value.code == 2
    assert "sweep.md is a folder where a file is wanted" in capsys.readouterr().err


def test_a_nested_directory_where_every_job_fails(tmp_path: Path) -> None:
    place = ["hydra.sweep.subdir=lr_${trainer.learning_rate}/slots_${memory.slots}", f"hydra.sweep.dir={tmp_path}/s=1"]
    ended = run("train", *COPY, "-m", "memory.slots=0,1", *place, cwd=tmp_path)
    assert ended.status == 2
    rows = table_of(tmp_path / "s=1")
    assert [Path(row["job"]).name for row in rows] == ["slots_0", "slots_1"]
    without_slots, one_slot = (row["failed"] for row in rows)
    assert names(without_slots, "memory.slots=0", "at least 1")
    assert names(one_slot, "memory.shift_range=1", "3 slots", "memory.slots", "1; raise")
    assert ended.err.splitlines()[-1].startswith("error: 2 jobs of the sweep failed")


def test_a_sweep_is_evaluated_and_compared_where_its_jobs_lie_in_folders_of_folders(
    trained: Ended, tiny: list[str], tmp_path: Path
) -> None:
    place = ["hydra.sweep.subdir=seed=${seed},lr=1/run", f"hydra.sweep.dir={tmp_path}/sweep"]
    jobs = run("train", "-m", *tiny, "trainer.steps=1", "seed=0,1", *place, cwd=tmp_path / "jobs").run_directory
    assert [row["job"] for row in table_of(jobs)] == ["seed=0,lr=1/run", "seed=1,lr=1/run"]
    compared = run("compare", f"runs=[{jobs}]", "episodes=5", cwd=tmp_path / "compare")
    assert compared.status == 0, compared.err
    paths = ",".join(str(jobs / f"seed={seed},lr=1" / "run") for seed in (0, 1))
    options = ["episodes=5", "logger.wandb=false", "logger.tensorboard=false"]
    evaluated = run("evaluate", "-m", f"checkpoint={paths}", *options, cwd=tmp_path / "evaluate").run_directory
    assert len(table_of(evaluated)) == 2


def test_an_end_that_is_not_finite_is_null_in_a_file_and_no_number_in_a_table() -> None:
    mean, low, high = _interval({"mean": 1.5, "low": 0.0, "high": None})
    assert (mean, low) == (1.5, 0.0)
    assert math.isnan(high)
