"""How much higher one evaluation on sentences is than others on the same task list, with 95 % bootstrap intervals.

python benchmarks/paired.py RUN OTHER...                # run directories of metamann-evaluate; a Markdown table
python benchmarks/paired.py RUN,RUN,RUN OTHER,OTHER,OTHER...      # training seeds: entities are pooled over them too
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from metamann.evaluation.spans import paired_difference

SHOWN = ("f1", "span_f1", "typing_accuracy")


def read(runs: str) -> tuple[dict[str, Any], np.ndarray]:
    """Results of the first of the runs, and counts summed over all of them.

    Raises:
        SystemExit: if they have different tasks.
    """
    results, total = [], np.array(0)
    for run in map(Path, runs.split(",")):
        results.append(json.loads((run / "results.json").read_text()))
        with np.load(run / "counts.npz") as file:
            total = total + file["counts"]
        check_tasks(results[0], results[-1], run)
    return results[0], total


def check_tasks(one: dict[str, Any], other: dict[str, Any], run: object) -> None:
    """Stop if two results are of other tasks."""
    if one["tasks_sha256"] != other["tasks_sha256"]:
        sys.exit(f"{run} was evaluated on other tasks than the first run: evaluate all with one seed and protocol.")


def main(runs: str, others: list[str]) -> None:
    """Print the table."""
    results, counts = read(runs)
    lines = [["against", *(f"{name}, difference in points" for name in SHOWN)], ["---"] * (1 + len(SHOWN))]
    for other in others:
        theirs, their_counts = read(other)
        check_tasks(results, theirs, other)
        found = paired_difference(counts, their_counts, results["protocol"]["scheme"])
        cells = [f"{100 * i.mean:.2f} ({100 * i.low:.2f} to {100 * i.high:.2f})" for i in map(found.get, SHOWN) if i]
        lines.append([", ".join(Path(run).name for run in other.split(",")), *cells])
    print("\n".join("| " + " | ".join(line) + " |" for line in lines))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
