"""The table of all jobs at the end of a sweep (`-m`)."""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from metamann.commands.shell import Failure, print_run_directory, stop
from metamann.errors import LONGEST_MESSAGE, shorten
from metamann.reports.sweep_table import read_jobs, write_sweep_table


class SweepTable(Callback):
    """Writes `sweep.md` and `sweep.csv` into the directory of a sweep after its last job.

    A launcher may run the jobs in other processes, each with a copy of this object. Therefore every job writes records
    of its start and of its end into a folder of this sweep, which separates its jobs from those of older sweeps and
    shows which jobs were killed.

    Examples:
        >>> SweepTable().records  # no sweep has begun
        ''
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
            stop(error)  # Hydra would report it as a warning
        # also if the sweep is stopped
        atexit.register(shutil.rmtree, self.records, ignore_errors=True)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Record the start of a job and its directory."""
        self._record(config, "it was killed")

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Record how a job ended."""
        if job_return.status is not JobStatus.COMPLETED:
            self._record(config, "it raised an error")
        elif isinstance(job_return.return_value, Failure):
            self._record(config, job_return.return_value.reason)
        else:
            self._record(config, None)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write and print the table of all jobs, and name the jobs that failed."""
        directory = Path(config.hydra.sweep.dir).resolve()
        try:
            failed, text = write_sweep_table(directory, read_jobs(Path(self.records)))
            print(text)
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
        if self.records:  # empty for a single run
            job = {
                "number": config.hydra.job.num,
                "directory": config.hydra.runtime.output_dir,
                "overrides": list(config.hydra.overrides.task),
                "failure": failure,
            }
            (Path(self.records) / f"{job['number']}.json").write_text(json.dumps(job))
