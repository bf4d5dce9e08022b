"""Publish evaluations: copy their results files into docs/results/ and fill the tables of the documents from them.

python benchmarks/publish.py add NAME RUN...     # evaluation run directories, one a training seed
python benchmarks/publish.py tables              # rewrite what stands between <!-- table NAME --> and <!-- end -->
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
DOCUMENTS = (ROOT / "README.md", RESULTS / "omniglot.md")
INSTANCES = (1, 2, 3, 4, 5, 10)


def add(name: str, runs: list[str]) -> None:
    """Copy `results.json` of evaluations to `docs/results/NAME/seed_K.json`, K the training seed."""
    for run in map(Path, runs):
        content = json.loads((run / "results.json").read_text())
        # paths of the machine say nothing to a reader
        content["checkpoint"] = "/".join(Path(content["checkpoint"]).parts[-3:])
        content["command"] = re.sub(r"(?<==)/\S*/(outputs|multirun)/", r"\1/", content["command"])
        target = RESULTS / name / f"seed_{content['training_seed']}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, indent=2) + "\n")
        for plot in (run / "plots").glob("*.png"):
            shutil.copy(plot, target.parent / f"{plot.stem}_seed_{content['training_seed']}.png")


def table(names: list[str]) -> str:
    """One row a published evaluation: accuracy, or accuracy by instance, with 95 % intervals."""
    runs = [json.loads(file.read_text()) for name in names for file in sorted((RESULTS / name).glob("seed_*.json"))]
    labels = [name for name in names for _ in sorted((RESULTS / name).glob("seed_*.json"))]
    stream = "accuracy/instance_1" in runs[0]["metrics"]
    columns = [f"accuracy/instance_{k}" for k in INSTANCES] if stream else ["accuracy"]
    head = [_ordinal(int(c.rpartition("_")[2])) for c in columns] if stream else ["accuracy %"]
    lines = [["run", "seed", *head, "minutes to the best checkpoint"], ["---"] * (len(columns) + 3)]
    for label, run in zip(labels, runs, strict=True):
        minutes = f"{run['training_seconds'] / 60:.1f}"
        lines.append([label, str(run["training_seed"]), *(_cell(run["metrics"][c]) for c in columns), minutes])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables() -> None:
    """Fill the tables of the documents."""
    for document in DOCUMENTS:
        text = document.read_text()
        pattern = r"(<!-- table ([\w ]+) -->\n).*?(<!-- end -->)"
        filled = re.sub(pattern, lambda m: f"{m[1]}{table(m[2].split())}\n{m[3]}", text, flags=re.DOTALL)
        document.write_text(filled)


def _cell(interval: dict[str, Any]) -> str:
    # down to two decimals, never up
    mean = int(interval["mean"] * 10000) / 100
    return f"{mean:.2f} ± {50 * (interval['high'] - interval['low']):.2f}"


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th") + " %"


if __name__ == "__main__":
    if sys.argv[1:2] == ["add"] and len(sys.argv) > 3:
        add(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:] == ["tables"]:
        tables()
    else:
        sys.exit(__doc__)
