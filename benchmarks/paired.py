"""How much higher one evaluation on sentences is than others on the same task list, with 95 % bootstrap intervals.

python benchmarks/paired.py RUN OTHER...      # run directories of metamann-evaluate; a Markdown table
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from metamann.evaluation.spans import paired_difference

SHOWN = ("f1", "span_f1", "typing_accuracy")


def read(run: Path) -> tuple[dict[str, Any], np.ndarray]:
    """Results and counts of a run."""
    with np.load(run / "counts.npz") as file:
        return json.loads((run / "results.json").read_text()), file["counts"]


def main(run: Path, others: list[Path]) -> None:
    """Print the table.

    Raises:
        SystemExit: if two runs have other tasks.
    """
    results, counts = read(run)
    lines = [["against", *(f"{name}, difference in points" for name in SHOWN)], ["---"] * (1 + len(SHOWN))]
    for other in others:
        theirs, their_counts = read(other)
        if theirs["tasks_sha256"] != results["tasks_sha256"]:
            sys.exit(f"{other} was evaluated on other tasks than {run}: evaluate both with the same seed and protocol.")
        found = paired_difference(counts, their_counts, results["protocol"]["scheme"])
        cells = [f"{100 * i.mean:.2f} ({100 * i.low:.2f} to {100 * i.high:.2f})" for i in map(found.get, SHOWN) if i]
        lines.append([other.name, *cells])
    print("\n".join("| " + " | ".join(line) + " |" for line in lines))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])
