"""The table over all jobs that a sweep (`-m`) ends with."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from metamann.commands.shell import print_run_directory
from metamann.evaluation.metrics import Interval, shown


class SweepTable(Callback):
    """Writes `sweep.md` and `sweep.csv` into the sweep's directory when its last job has ended."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Collect what the jobs left behind, and print it."""
        directory = Path(config.hydra.sweep.dir).resolve()
        rows = sorted(_rows(directory), key=lambda row: (len(row["job"]), row["job"]))
        if rows:
            columns = list(dict.fromkeys(name for row in rows for name in row))
            table = [columns, ["---"] * len(columns), *([row.get(name, "") for name in columns] for row in rows)]
            text = "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in table)
            (directory / "sweep.md").write_text(text + "\n")
            with (directory / "sweep.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
            print(text)
        failed = sorted(
            job.parent.name for job in directory.glob("*/.hydra") if not (job.parent / "results.json").is_file()
        )
        if failed:
            print(f"error: {len(failed)} jobs of the sweep failed, see above: {', '.join(failed)}.", file=sys.stderr)
        print_run_directory(directory)
        if failed:
            sys.exit(2)


def _rows(directory: Path) -> list[dict[str, str]]:
    rows = []
    for results in directory.glob("*/results.json"):
        content = json.loads(results.read_text())
        overrides = OmegaConf.load(results.parent / ".hydra" / "overrides.yaml")
        row = {"job": results.parent.name, "overrides": " ".join(str(each) for each in overrides)}
        metrics = {name: _interval(interval) for name, interval in content["metrics"].items()}
        row |= {name: f"{mean:.2f} ± {(high - low) / 2:.2f}" for name, (mean, low, high) in shown(metrics).items()}
        rows.append(row)
    return rows


def _interval(ends: Mapping[str, float | None]) -> Interval:
    """An interval of `results.json`, which has null for numbers that are not finite."""
    return Interval(**{name: math.nan if value is None else value for name, value in ends.items()})
