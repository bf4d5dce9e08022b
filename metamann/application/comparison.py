"""Trained learners on one task list, with paired differences."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from metamann.application.caller import PYTHON, Caller
from metamann.application.contestants import check_same_tasks, contestants, name_of, told_apart
from metamann.application.directory import check_no_run, save_settings
from metamann.application.opening import new_directory, opened
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

TIMED = 20  # episodes, one at a time


class Entrant(NamedTuple):
    """One run, evaluated.

    Attributes:
        name: of its learner.
        training: the configuration it was trained with.
        right: `episodes`, see `Contestant`.
        asked: `episodes`.
        facts: what belongs into its row.
    """

    name: str
    training: dict[str, Any]
    right: np.ndarray
    asked: np.ndarray
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
        runs: two or more of `RUN`, `RUN:adapter`, and directories of sweeps; the first is what the others are compared
            with.
        settings: of the episodes.
        directory: for the results; None takes a new one below `outputs/`.
        caller: see `metamann.train`.

    Returns:
        A row for each learner.

    Raises:
        ConfigError: if the runs are judged on different tasks, or on sentences without labels.
    """
    settings = settings or ComparisonSettings()
    with opened(directory or new_directory("compare")) as path, notes_once():
        check_no_run(path)
        save_settings(path, {**plain(settings), "runs": list(runs)}, caller.files, ".hydra")
        wanted = contestants(runs)
        if len(wanted) < 2:
            raise ConfigError("runs= needs two runs or more: runs=[RUN,RUN], or the directory of a sweep.")
        judged: list[Entrant] = []
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
            metric, right, shown = run.modality.judged(learner, evaluator, settings.metric)
            facts = _facts(run, learner, evaluator)
            judged.append(Entrant(name_of(run, adapter), run.checkpoint.config, right, shown, facts))
        rows = compare(_by_learner(judged))
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
    """What the run had seen when it ended: its best checkpoint may be of an early step."""
    last = run.path.with_name("last.pt")
    return load_checkpoint(last) if last.is_file() else run.checkpoint


def _timed(learner: Any, evaluator: Any) -> dict[str, float]:
    """Milliseconds to adapt to an episode and to answer it, encoder included; of a stream only the latter."""
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
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _by_learner(judged: Sequence[Entrant]) -> list[Contestant]:
    """Runs that differ in their seed alone are one contestant."""
    names = told_apart([entrant.name for entrant in judged], [entrant.training for entrant in judged])
    joined = []
    for name in dict.fromkeys(names):
        runs = [entrant for entrant, theirs in zip(judged, names, strict=True) if theirs == name]
        seeds = tuple(int(entrant.training["seed"]) for entrant in runs)
        if len(set(seeds)) < len(seeds):
            raise ConfigError(
                f"two runs of {name} have one training seed and the same settings: each is to be named once."
            )
        facts = {fact: float(np.mean([entrant.facts[fact] for entrant in runs])) for fact in runs[0].facts}
        right, asked = (np.stack([getattr(entrant, part) for entrant in runs]) for part in ("right", "asked"))
        joined.append(Contestant(name, seeds, right, asked, facts))
    return joined
