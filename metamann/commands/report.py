"""Scores, results files and pictures of a learner on one split: what training and evaluation end with."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import metamann
from metamann.episodes.episode import Stream
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import Interval, mean_interval
from metamann.evaluation.plots import plot_episode, plot_instances, plot_read_weights
from metamann.evaluation.results import results_table, write_results
from metamann.hardware import autocast, describe_machine
from metamann.learners.learner import Learner
from metamann.learners.mann import MANN
from metamann.training.dashboards import Mirrors


def report(
    directory: Path, learner: Learner[Any], evaluator: Evaluator, context: dict[str, Any], mirrors: Mirrors
) -> dict[str, Interval]:
    """Evaluate and write `results.json`, `results.md`, `tasks.npz` and `plots/`.

    Args:
        directory: the run directory.
        learner: what is evaluated.
        evaluator: on what.
        context: what belongs beside the numbers: `checkpoint_step`, the training step of the parameters, and more.
        mirrors: dashboards.

    Returns:
        The metrics.
    """
    metrics = {name: mean_interval(values) for name, values in evaluator.scores(learner).items()}
    tasks, split = evaluator.tasks, evaluator.split
    origin = {
        "tasks_sha256": tasks.hash,
        "machine": describe_machine(),
        "metamann": metamann.__version__,
        "commit": _commit(),
        "command": shlex.join([_command_name(), *sys.argv[1:]]),
    }
    tasks.save(directory / "tasks.npz")
    write_results(directory, evaluator.describe(), len(tasks), tasks.seed, metrics, {**context, **origin})
    title = f"{evaluator.data} {split}, {evaluator.protocol.max_ways} classes, {len(tasks)} episodes"
    for name in _draw(directory / "plots", learner, evaluator, metrics, title):
        mirrors.picture(context["checkpoint_step"], f"{split}/{name}", directory / "plots" / f"{name}.png")
    rows = [[name, *(round(100 * value, 2) for value in interval)] for name, interval in metrics.items()]
    mirrors.table(f"{split}/results", ["metric", "mean %", "low %", "high %"], rows)
    print("\n".join([f"{title}:", *results_table(metrics)]), flush=True)
    return metrics


@torch.no_grad()
def _draw(
    folder: Path, learner: Learner[Any], evaluator: Evaluator, metrics: dict[str, Interval], title: str
) -> list[str]:
    """Draw what the protocol allows, and return the names of the pictures."""
    device, precision = evaluator.device, evaluator.precision
    first = next(evaluator.tasks.batches(evaluator.sampler, 1))
    with autocast(device, precision):
        predicted = learner(first.to(device)).argmax(-1).cpu()
    plot_episode(folder / "episode.png", first, predicted)
    drawn = ["episode"]
    if isinstance(first, Stream):
        plot_instances(folder / "instances.png", metrics, evaluator.protocol.max_ways, title)
        drawn.append("instances")
    if isinstance(first, Stream) and isinstance(learner, MANN):
        with autocast(device, precision):
            trace = learner.trace(first.to(device))
        plot_read_weights(folder / "read_weights.png", trace, first.labels)
        drawn.append("read_weights")
    return drawn


def _command_name() -> str:
    name = Path(sys.argv[0]).stem
    return name if name.startswith("metamann-") else f"metamann-{name}"


def _commit() -> str:
    """Commit of the source, when it is run from a checkout."""
    source = Path(metamann.__file__).parent.parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not run from a checkout"
