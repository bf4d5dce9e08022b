"""Time and peak memory of a training step of every memory, beside its naive form and the floor of the machine.

python benchmarks/memory.py                               # all memories, all sizes: more than an hour
python benchmarks/memory.py --memories lrua delta --steps 50 1000 --threads 1

A training step is the scan over a batch of sequences and its backward pass, float32, sizes of conf/memory/. Each
measurement has a process of its own, so that its peak of memory is its own. The naive form is the chained step, which
is also the scan of memories that have no faster one. The floor is the time of the matrix products of the naive form
alone, at the rate that this machine multiplies at, and the time to move the state once in and once out for each step of
the forward and of the backward pass. What is predicted to take more than the limits is not run, and says so. Writes
benchmarks/results/memory.json, .md and .png; what was measured there on the same machine, of other memories and
batches, stays.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from metamann.application.parts import Parts, choice
from metamann.hardware import describe_machine
from metamann.memory.interface import Memory

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
FEATURES, CODES = 128, 5
MOST_SECONDS, MOST_GIB = 40.0, 8.0
LEAST_GIB = 0.01  # below it, what a process already had hides the growth
REPEATS, LEAST_SECONDS = 3, 2.0  # of a measurement: fresh pages and a cold cache are not what is measured


def build_memory(name: str) -> Memory[Any]:
    """The memory of `conf/memory/NAME.yaml`."""
    torch.manual_seed(0)
    parts = Parts({"memory": choice("memory", name)})
    memory: Memory[Any] = parts.build("memory", features=FEATURES, code_width=CODES)
    return memory


def inputs_of(batch: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features, one-hot codes and a mask without gaps."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(batch, steps, FEATURES, generator=generator).requires_grad_()
    codes = torch.eye(CODES)[torch.randint(CODES, (batch, steps), generator=generator)]
    return features, codes, torch.ones(batch, steps, dtype=torch.bool)


def training_step(memory: Memory[Any], form: str, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    """Scan and backward pass."""
    features = inputs[0]
    state = memory.initial_state(len(features), CODES, features)
    reads, _ = memory.scan(state, *inputs) if form == "scan" else Memory.scan(memory, state, *inputs)
    reads.square().mean().backward()


def measure(name: str, form: str, batch: int, steps: int, threads: int) -> dict[str, float]:
    """Seconds of a training step, the least of a few, and the GiB that it adds to the process."""
    torch.set_num_threads(threads)
    memory, inputs = build_memory(name), inputs_of(batch, steps)
    training_step(memory, form, inputs_of(2, 3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = []
    while len(taken) < 2 or ((len(taken) < REPEATS or sum(taken) < LEAST_SECONDS) and sum(taken) < 10):
        memory.zero_grad(set_to_none=True)
        start = time.perf_counter()
        training_step(memory, form, inputs)
        taken.append(time.perf_counter() - start)
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": min(taken), "gib": added / 2**20}


def floor(name: str, batch: int, threads: int) -> dict[str, float]:
    """Seconds for one step of a sequence: of the matrix products alone, and of moving the state."""
    torch.set_num_threads(threads)
    memory, steps = build_memory(name), 50
    inputs = inputs_of(batch, steps)
    with FlopCounterMode(display=False) as counter:
        training_step(memory, "naive", inputs)
    state = memory.initial_state(batch, CODES, inputs[0])
    moved = 4 * sum(tensor.numel() * tensor.element_size() for tensor in state)
    rate, bandwidth = machine_rates()
    return {"products": counter.get_total_flops() / steps / rate, "bytes": moved / bandwidth}


def machine_rates() -> tuple[float, float]:
    """Floating-point operations a second of a float32 product of 1024 x 1024, and bytes a second of a copy."""
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    source, target = torch.empty(64 * 2**20), torch.empty(64 * 2**20)
    products, copies = [], []
    for _ in range(10):
        start = time.perf_counter()
        left @ right
        products.append(time.perf_counter() - start)
        start = time.perf_counter()
        target.copy_(source)
        copies.append(time.perf_counter() - start)
    return 2 * 1024**3 / min(products), 2 * source.numel() * source.element_size() / min(copies)


def in_a_process_of_its_own(*call: Any) -> dict[str, Any]:
    """What `python benchmarks/memory.py --one CALL` prints."""
    command = [sys.executable, str(Path(__file__)), "--one", json.dumps(call)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        return {"skipped": f"failed: {ended.stderr.strip().splitlines()[-1] if ended.stderr else ended.returncode}"}
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def series(name: str, form: str, batch: int, steps: list[int], threads: int) -> dict[str, dict[str, Any]]:
    """Measurements over growing lengths, until the next one is predicted to exceed a limit."""
    found: dict[str, dict[str, Any]] = {}
    for length in sorted(steps):
        measured = [each for each in found.values() if "seconds" in each]
        if len(measured) < len(found):
            here = {"skipped": "as the length before"}
        elif predicted(measured, "seconds", length) > MOST_SECONDS or predicted(measured, "gib", length) > MOST_GIB:
            here = {"skipped": f"predicted to exceed {MOST_SECONDS:.0f} s or {MOST_GIB:.0f} GiB"}
        else:
            here = {"steps": length, **in_a_process_of_its_own("measure", name, form, batch, length, threads)}
        found[str(length)] = here
        print(name, form, f"batch {batch} steps {length}:", here, flush=True)
    return found


def predicted(measured: list[dict[str, Any]], key: str, length: int) -> float:
    """What a longer sequence will take if it goes on growing as between the last two, in proportion at least."""
    if not measured:
        return 0.0
    last = measured[-1]
    power = max(1.0, _power(measured[-2], last, key)) if len(measured) > 1 else 1.0
    return float(last[key] * (length / last["steps"]) ** power)


def run(memories: list[str], batches: list[int], steps: list[int], threads: int) -> None:
    """Measure everything and write the results."""
    processor, _, version = describe_machine().rsplit(", ", 2)  # threads are named beside each measurement
    results: dict[str, Any] = {"machine": f"{processor}, {version}", "memories": {}}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "memory.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if before.get("machine") == results["machine"]:
        results = before
    for name, batch in itertools.product(memories, batches):
        scan = series(name, "scan", batch, steps, threads)
        chained = type(build_memory(name)).scan is Memory.scan
        results["memories"].setdefault(name, {})[str(batch)] = {
            "command": " ".join(["python", *sys.argv]),
            "threads": threads,
            "floor": in_a_process_of_its_own("floor", name, batch, threads),
            "scan": scan,
            "naive": scan if chained else series(name, "naive", batch, steps, threads),
        }
        path.write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / "memory.md").write_text(f"{table(results)}\n\n{growth(results)}\n")
    plot(results, RESULTS / "memory.png")


def table(results: dict[str, Any]) -> str:
    """One row a memory, batch and length."""
    head = (
        "memory | threads | batch | steps | scan ms | naive ms | naive / scan | scan / floor of products | scan GiB"
        " | naive GiB"
    )
    lines = [head, "|".join(["---"] * 10)]
    for name, memory in sorted(results["memories"].items()):
        for batch, found in sorted(memory.items(), key=lambda item: int(item[0])):
            for steps, scan in found["scan"].items():
                naive, products = found["naive"][steps], found["floor"].get("products", 0.0) * int(steps)
                both = "seconds" in scan and "seconds" in naive
                cells = [
                    name,
                    str(found["threads"]),
                    batch,
                    steps,
                    _number(scan, "seconds", 1000),
                    _number(naive, "seconds", 1000),
                    f"{naive['seconds'] / scan['seconds']:.1f}" if both else "-",
                    f"{scan['seconds'] / products:.1f}" if products and "seconds" in scan else "-",
                    _number(scan, "gib"),
                    _number(naive, "gib"),
                ]
                lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def growth(results: dict[str, Any]) -> str:
    """With which power of the length the scan's time and memory grow, from 200 steps on: 1 is linear."""
    lines = ["memory | batch | from | to | power of time | power of GiB", "|".join(["---"] * 6)]
    for name, memory in sorted(results["memories"].items()):
        for batch, found in sorted(memory.items(), key=lambda item: int(item[0])):
            measured = [each for each in found["scan"].values() if "seconds" in each and each["steps"] >= 200]
            if len(measured) > 1:
                powers = [f"{_power(measured[0], measured[-1], key):.2f}" for key in ("seconds", "gib")]
                lines.append(" | ".join([name, batch, *(str(measured[end]["steps"]) for end in (0, -1)), *powers]))
    return "\n".join(f"| {line} |" for line in lines)


def plot(results: dict[str, Any], path: Path) -> None:
    """Milliseconds and GiB over the length, one line a memory, dashed where naive."""
    batches = sorted({batch for memory in results["memories"].values() for batch in memory}, key=int)
    figure = Figure(figsize=(5.5 * len(batches), 8), layout="constrained")
    panels = figure.subplots(2, len(batches), squeeze=False)
    colours = colormaps["tab20"].colors
    for column, batch in enumerate(batches):
        for number, (name, found) in enumerate(results["memories"].items()):
            for form, line in (("scan", "-"), ("naive", ":")):
                measured = found.get(batch, {}).get(form, {})
                points = [(int(t), each) for t, each in measured.items() if "seconds" in each]
                for row, key in enumerate(("seconds", "gib")):
                    panels[row, column].plot(
                        [t for t, _ in points],
                        [max(each[key], 1e-3) for _, each in points],
                        line,
                        marker=".",
                        color=colours[number % 20],
                        label=name if form == "scan" else None,
                    )
        for row, label in enumerate(("seconds of a training step", "GiB added")):
            panels[row, column].set(xscale="log", yscale="log", xlabel="steps of a sequence", ylabel=label)
        panels[0, column].set_title(f"batch {batch} (dotted: chained steps)")
    named = {
        label: handle for panel in panels[0] for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(named.values()), list(named), loc="outside right upper", fontsize=8)
    figure.savefig(path, dpi=110)


def _power(shorter: dict[str, Any], longer: dict[str, Any], key: str) -> float:
    """The p of `key ~ steps^p`; 1 where it cannot be seen."""
    if key == "gib" and shorter[key] < LEAST_GIB:
        return 1.0
    times = max(longer[key] / shorter[key], 1e-3)
    return math.log(times) / math.log(longer["steps"] / shorter["steps"])


def _number(found: dict[str, Any], key: str, scale: float = 1.0) -> str:
    return f"{scale * found[key]:.3g}" if key in found else "-"


def main() -> None:
    """Entry point."""
    every = sorted(path.stem for path in (ROOT / "conf" / "memory").glob("*.yaml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", nargs="+", default=every, choices=every)
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--steps", nargs="+", type=int, default=[50, 200, 1000, 5000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        function, *call = json.loads(arguments.one)
        print(json.dumps({"measure": measure, "floor": floor}[function](*call)))
        return
    run(arguments.memories, arguments.batches, arguments.steps, arguments.threads)


if __name__ == "__main__":
    main()
