"""Comparison of trained learners on one task list, with paired differences."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from metamann.application.caller import PYTHON, Caller
from metamann.application.contestants import check_same_tasks, contestants, distinct_names, name_of
from metamann.application.directory import check_no_run, save_settings
from metamann.application.opening import new_directory, open_directory
from metamann.application.origin import origin
from metamann.application.report import attempt, results
from metamann.application.run import Run
from metamann.application.settings import ComparisonSettings, plain
from metamann.data.plain_files import write_json, write_text
from metamann.episodes.episode import Episode
from metamann.errors import ConfigError, excerpt
from metamann.evaluation.comparison import Compared, Contestant, compare
from metamann.hardware import autocast
from metamann.reports.caption import caption
from metamann.reports.comparison_tables import as_record, cells, csv, latex, markdown
from metamann.reports.pictures import write_figure
from metamann.reports.plots import plot_comparison
from metamann.training.checkpoint import Checkpoint, load_checkpoint
from metamann.training.log import note, notes_once, progress

TIMED = 20  # episodes, timed one at a time


class Entrant(NamedTuple):
    """One run with its scores.

    Attributes:
        name: name of its learner.
        training: configuration of its training.
        right: `episodes`, see `Contestant`.
        total: `episodes`.
        facts: further columns of its row.
    """

    name: str
    training: dict[str, Any]
    right: np.ndarray
    total: np.ndarray
    facts: dict[str, float]


def compare_runs(
    runs: Sequence[str],
    settings: ComparisonSettings | None = None,
    directory: str | Path | None = None,
    *,
    caller: Caller = PYTHON,
) -> list[Compared]:
    """Evaluate all runs on one task list, and write `comparison.md`, `.csv`, `.tex`, `.json` and a plot.

    Args:
        runs: at least two of `RUN`, `RUN:adapter` and directories of sweeps; the others are compared with the first.
        settings: of the evaluation.
        directory: for the results; None creates one below `outputs/`.
        caller: see `metamann.train`.

    Returns:
        A row for each learner.

    Raises:
        ConfigError: if the runs are evaluated on different tasks, or on sentences without labels.

    Examples:
        >>> import metamann
        >>> tiny = {"encoder": "pixels", "data.alphabets": [1, 1, 1], "protocol.ways": 2, "protocol.queries": 1}
        >>> tiny |= {"trainer.steps": 2, "validation.episodes": 2, "logger.wandb": False, "logger.tensorboard": False}
        >>> run = metamann.train(metamann.settings(protocol="nway", **tiny), "runs/mine")
        >>> rows = compare_runs(["runs/mine", "runs/mine:linear_head"], ComparisonSettings(episodes=10))
        >>> [row.name for row in rows]
        ['KeyValue', 'linear_head']
    """
    settings = settings or ComparisonSettings()
    with open_directory(directory or new_directory("compare")) as path, notes_once():
        check_no_run(path)
        save_settings(path, {**plain(settings), "runs": list(runs)}, caller.files, ".hydra")
        wanted = contestants(runs)
        if len(wanted) < 2:
            raise ConfigError("runs= needs two runs or more: runs=[RUN,RUN], or the directory of a sweep.")
        entrants: list[Entrant] = []
        first: Any = None
        metric = settings.metric
        for number, (where, adapter) in enumerate(wanted, 1):
            progress(f"{number}/{len(wanted)}  {where}")
            run = Run(where, trust=settings.trust)
            opened_run = run.opened(settings if adapter is None else dataclasses.replace(settings, adapter=adapter))
            evaluator = opened_run.evaluator(settings)
            if not evaluator.labelled:
                raise ConfigError(
                    f"query={excerpt(settings.query)} has no labels, so learners cannot be compared on it; give a "
                    "labelled query=, or have it tagged by metamann-evaluate."
                )
            if first is None:
                first = evaluator
                evaluator.tasks.save(path / "tasks.npz")
            check_same_tasks(first, evaluator, wanted[0][0], where)
            learner = opened_run.learner(evaluator)
            for line in opened_run.notes(learner, evaluator):
                note(line)
            metric, right, total = run.modality.episode_scores(learner, evaluator, settings.metric)
            facts = _facts(run, learner, evaluator)
            entrants.append(Entrant(name_of(run, adapter), run.checkpoint.config, right, total, facts))
        rows = compare(_by_learner(entrants))
        _write(path, rows, first, str(metric), settings.seed, caller.line)
        return rows


def _write(directory: Path, rows: list[Compared], first: Any, metric: str, seed: int, line: str | None) -> None:
    head, body = cells(rows, metric)
    for name, text in (("md", markdown), ("csv", csv), ("tex", latex)):
        write_text(directory / f"comparison.{name}", text(head, body))
    record = {
        "protocol": first.describe(),
        "episodes": len(first.tasks),
        "seed": seed,
        "tasks_sha256": first.tasks.hash,
        "metric": metric,
        **origin(line),
        "learners": [as_record(row) for row in rows],
    }
    write_json(directory / "comparison.json", record)
    results.info(f"{first.title}, differences to {rows[0].name}:\n{markdown(head, body)}".rstrip("\n"))
    attempt(
        directory / "plots" / "comparison.png",
        lambda path: write_figure(path, plot_comparison(rows, metric, caption(first))),
    )


def _facts(run: Run, learner: Any, evaluator: Any) -> dict[str, float]:
    end = _end_of_training(run)
    return {
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
        "training episodes": end.step * run.checkpoint.config["trainer"]["batch_size"],
        "training seconds": round(end.seconds),
        **_timed(learner, evaluator),
    }


def _end_of_training(run: Run) -> Checkpoint:
    """The last checkpoint of a run; its best checkpoint may be of an earlier step."""
    last = run.path.with_name("last.pt")
    return load_checkpoint(last) if last.is_file() else run.checkpoint


def _timed(learner: Any, evaluator: Any) -> dict[str, float]:
    """Milliseconds to adapt to an episode and to answer it, with the encoder; for a stream only the latter."""
    adapting: list[float] = []
    answering: list[float] = []
    learner.eval()
    with torch.no_grad(), autocast(evaluator.device, evaluator.precision):
        for number in range(min(TIMED, len(evaluator.tasks))):
            batch: Any = evaluator.sampler.batch([number]).to(evaluator.device)
            started = _now(evaluator.device)
            if isinstance(batch, Episode):
                state = learner.adapt(batch.support, batch.classes)
                adapted = _now(evaluator.device)
                learner.answer(state, batch.query.inputs)
                adapting.append(adapted - started)
                answering.append(_now(evaluator.device) - adapted)
            else:
                learner(batch)
                answering.append(_now(evaluator.device) - started)
    spent = {"ms to adapt": adapting, "ms to answer": answering}
    return {name: round(1000 * float(np.median(seconds)), 2) for name, seconds in spent.items() if seconds}


def _now(device: torch.device) -> float:
    """Time in seconds, after the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _by_learner(entrants: Sequence[Entrant]) -> list[Contestant]:
    """Contestants of runs: runs that differ only in their seed are one contestant."""
    names = distinct_names([entrant.name for entrant in entrants], [entrant.training for entrant in entrants])
    joined = []
    for name in dict.fromkeys(names):
        runs = [entrant for entrant, other in zip(entrants, names, strict=True) if other == name]
        seeds = tuple(int(entrant.training["seed"]) for entrant in runs)
        if len(set(seeds)) < len(seeds):
            raise ConfigError(
                f"two runs of {name} have one training seed and the same settings: each is to be named once."
            )
        facts = {fact: float(np.mean([entrant.facts[fact] for entrant in runs])) for fact in runs[0].facts}
        right, total = (np.stack([getattr(entrant, part) for entrant in runs]) for part in ("right", "total"))
        joined.append(Contestant(name, seeds, right, total, facts))
    return joined
