"""Meta-train every memory on the same streams of Omniglot, and measure what each of them is worth.

python benchmarks/learning.py run RUNS                    # all memories, three seeds; goes on where it was stopped
python benchmarks/learning.py run RUNS --memories lrua lrua,least_used=shared lrua,strength=null --seeds 0
python benchmarks/learning.py tables RUNS                 # results/memories/ from the runs that are there

`run` calls `metamann-train experiment=omniglot_memories memory=NAME seed=K` and evaluates the best checkpoint on 1,000
test streams: as it is, with its reads zeroed (`adapter=blind`) and without a reset between streams
(`adapter=carried`; not for memories that would grow without end). The last two are taken of the first seed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from metamann.episodes.episode import first_instance_ceiling
from metamann.training.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "memories"
INSTANCES = (1, 2, 3, 4, 5, 10)
PUBLISHED = 0.828  # 2nd instance, Santoro et al. 2016, table 1
WAYS, STREAMS_PER_STEP = 5, 16
GROWING = ("keyvalue", "prototypes")
# how a checkpoint is evaluated: overrides of metamann-evaluate, by name
EVALUATIONS = {
    "as trained": [],
    "reads zeroed": ["adapter=blind"],
    "never reset": ["adapter=carried", "adapter.reset=never"],
}


def command(name: str, *overrides: str) -> None:
    """Run `metamann-NAME`; paths are quoted, as those of variants hold commas and equals signs."""
    subprocess.run([sys.executable, "-m", f"metamann.commands.{name}", *overrides], check=True)


def run(runs: Path, memories: list[str], seeds: list[int]) -> None:
    """Train and evaluate what is not there yet."""
    for seed in seeds:
        for memory in memories:
            trained = runs / memory / f"seed_{seed}"
            name, *options = memory.split(",")
            if not (trained / "results.json").is_file():
                begun = (trained / "checkpoints" / "last.pt").is_file()
                where = [f"resume='{trained}'"] if begun else [f"hydra.run.dir='{trained}'"]
                command(
                    "train",
                    "experiment=omniglot_memories",
                    f"memory={name}",
                    *(f"memory.{option}" for option in options),
                    f"seed={seed}",
                    *where,
                )
            for evaluation, overrides in EVALUATIONS.items():
                target = trained / "test" / evaluation.replace(" ", "_")
                left_out = (name in GROWING and evaluation == "never reset") or (overrides and seed != seeds[0])
                if left_out or (target / "results.json").is_file():
                    continue
                command("evaluate", f"checkpoint='{trained}'", f"hydra.run.dir='{target}'", *overrides)


def collect(runs: Path) -> dict[str, Any]:
    """What was measured: by memory, its size, and by seed its evaluations and validations."""
    memories: dict[str, Any] = {}
    for trained in sorted(runs.glob("*/seed_*")):
        evaluations = {
            name: json.loads(file.read_text())
            for name in EVALUATIONS
            if (file := trained / "test" / name.replace(" ", "_") / "results.json").is_file()
        }
        if "as trained" not in evaluations:
            continue
        learner = load_checkpoint(trained / "checkpoints" / "best.pt").learner
        lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
        memory = memories.setdefault(trained.parent.name, {"seeds": {}})
        memory["parameters"] = sum(value.numel() for key, value in learner.items() if not key.startswith("encoder."))
        memory["seeds"][trained.name.removeprefix("seed_")] = {
            "evaluations": {
                name: {key: found[key] for key in ("metrics", "episodes", "seed", "tasks_sha256", "commit", "machine")}
                for name, found in evaluations.items()
            },
            "validations": [
                {key: line[key] for key in ("step", "seconds", "accuracy", "accuracy/instance_2")}
                for line in lines
                if line["kind"] == "validation"
            ],
        }
    return memories


def instance(memory: dict[str, Any], evaluation: str, k: int) -> tuple[float, float, float]:
    """Accuracy at the k-th instance in percent: mean of the seeds, lowest and highest end of their intervals."""
    found = [
        seed["evaluations"][evaluation]["metrics"][f"accuracy/instance_{k}"]
        for seed in memory["seeds"].values()
        if evaluation in seed["evaluations"]
    ]
    if not found:
        return (float("nan"),) * 3
    mean = float(np.mean([each["mean"] for each in found]))
    return 100 * mean, 100 * min(each["low"] for each in found), 100 * max(each["high"] for each in found)


def until_published(seed: dict[str, Any]) -> tuple[int, float] | None:
    """Streams and minutes of training to the first validation that reaches the published 2nd instance."""
    for line in seed["validations"]:
        if line["accuracy/instance_2"] >= PUBLISHED:
            return STREAMS_PER_STEP * line["step"], line["seconds"] / 60
    return None


def table(memories: dict[str, Any]) -> str:
    """One row a memory, the best at the 2nd instance first."""
    names = sorted(memories, key=lambda name: -instance(memories[name], "as trained", 2)[0])
    head = ["memory", "parameters", "seeds", *(f"{_ordinal(k)} %" for k in INSTANCES)]
    head += ["2nd, reads zeroed", "2nd, never reset", "streams to 82.8 % at the 2nd", "minutes to it"]
    lines = [head, ["---"] * len(head)]
    for name in names:
        memory = memories[name]
        reached = [found for seed in memory["seeds"].values() if (found := until_published(seed))]
        all_reached = len(reached) == len(memory["seeds"])
        lines.append(
            [
                f"`{name}`",
                f"{memory['parameters']:,}",
                str(len(memory["seeds"])),
                *(_cell(instance(memory, "as trained", k)) for k in INSTANCES),
                *(_cell(instance(memory, evaluation, 2)) for evaluation in list(EVALUATIONS)[1:]),
                f"{np.mean([streams for streams, _ in reached]):,.0f}" if all_reached else "not reached",
                f"{np.mean([minutes for _, minutes in reached]):.1f}" if all_reached else "-",
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plot(memories: dict[str, Any], path: Path) -> None:
    """Accuracy by instance on test streams, and at the 2nd instance on validation streams over training."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    by_instance, by_streams = figure.subplots(1, 2)
    colours = colormaps["tab10"].colors
    names = sorted(memories, key=lambda name: -instance(memories[name], "as trained", 2)[0])
    for number, name in enumerate(names):
        memory = memories[name]
        style = {"color": "black", "linestyle": "--"} if name == "none" else {"color": colours[number % 10]}
        means, lows, highs = zip(*(instance(memory, "as trained", k) for k in range(1, 11)), strict=True)
        by_instance.plot(range(1, 11), means, marker=".", label=name, **style)
        by_instance.fill_between(range(1, 11), lows, highs, alpha=0.15, color=style["color"])
        steps = [line["step"] for line in next(iter(memory["seeds"].values()))["validations"]]
        curves = [
            [100 * line["accuracy/instance_2"] for line in seed["validations"]] for seed in memory["seeds"].values()
        ]
        by_streams.plot([STREAMS_PER_STEP * step for step in steps], np.mean(curves, axis=0), label=name, **style)
    by_instance.axhline(100 * first_instance_ceiling(WAYS), color="gray", linewidth=0.8)
    by_instance.text(
        10, 100 * first_instance_ceiling(WAYS), "ceiling of 1st instances", ha="right", va="bottom", fontsize=8
    )
    by_streams.axhline(100 * PUBLISHED, color="gray", linewidth=0.8)
    across = by_streams.get_yaxis_transform()
    published = "MANN, Santoro et al. 2016, after 100,000 episodes"
    by_streams.text(0.99, 100 * PUBLISHED, published, ha="right", va="top", fontsize=8, transform=across)
    by_instance.set(xlabel="instance of a class", ylabel="accuracy %", title="test streams: 5 classes, 50 images")
    by_streams.set(xlabel="streams trained on", ylabel="accuracy at the 2nd instance, %", title="validation streams")
    by_instance.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def tables(runs: Path) -> None:
    """Write the results, the table and the plot."""
    found = collect(runs)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "learning.json").write_text(json.dumps(found, indent=1) + "\n")
    memories = {name: memory for name, memory in found.items() if "," not in name}
    (RESULTS / "learning.md").write_text(table(memories) + "\n")
    plot(memories, RESULTS / "learning.png")
    dialects = {name: memory for name, memory in found.items() if name.partition(",")[0] == "lrua"}
    (RESULTS / "lrua_dialects.md").write_text(table(dialects) + "\n")


def _cell(found: tuple[float, float, float]) -> str:
    mean, low, high = found
    return "-" if np.isnan(mean) else f"{mean:.1f} ({low:.1f} to {high:.1f})"


def _ordinal(number: int) -> str:
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def main() -> None:
    """Entry point."""
    every = sorted(path.stem for path in (ROOT / "conf" / "memory").glob("*.yaml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "tables"])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--memories", nargs="+", default=every, help="NAME, or NAME,OPTION=VALUE,... of conf/memory/")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    unknown = {memory.partition(",")[0] for memory in arguments.memories} - set(every)
    if unknown:
        parser.error(f"unknown memories {', '.join(sorted(unknown))}; choose from {', '.join(every)}")
    runs = arguments.runs.resolve()
    if arguments.what == "run":
        run(runs, arguments.memories, arguments.seeds)
    tables(runs)


if __name__ == "__main__":
    main()
