"""Continual learning: classes arrive task by task, and earlier classes are tested again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metamann.application.caller import PYTHON, Caller
from metamann.application.capacity import capacity_notes
from metamann.application.contestants import check_same_tasks, contestants, name_of
from metamann.application.directory import check_no_run, save_settings
from metamann.application.opening import new_directory, open_directory
from metamann.application.origin import origin
from metamann.application.report import attempt, results
from metamann.application.run import Run
from metamann.application.settings import ContinualSettings, plain
from metamann.data.plain_files import write_json, write_text
from metamann.errors import ConfigError
from metamann.evaluation.continual import continual_scores, first_task_curve
from metamann.evaluation.metrics import mean_interval
from metamann.modalities.modality import Course
from metamann.reports.pictures import write_figure
from metamann.reports.plots import plot_accuracy_matrices, plot_forgetting
from metamann.training.log import note, notes_once, progress

MEASURES = ("average_accuracy", "backward_transfer", "forgetting", "forgetting_avalanche")


def teach_tasks(
    runs: Sequence[str],
    settings: ContinualSettings | None = None,
    directory: str | Path | None = None,
    *,
    caller: Caller = PYTHON,
) -> dict[str, dict[str, np.ndarray]]:
    """Evaluate every run on the same sequences of tasks, and write `continual.md`, `continual.json` and plots.

    Args:
        runs: at least one of `RUN`, `RUN:adapter` and directories of sweeps.
        settings: of the sequences; `episodes` is their number.
        directory: for the results; None creates one below `outputs/`.
        caller: see `metamann.train`.

    Returns:
        The measures of each sequence, by learner; see `metamann.evaluation.continual.continual_scores`.

    Raises:
        ConfigError: if the classes of a run cannot arrive task by task, or two learners have the same name.

    Examples:
        >>> import metamann
        >>> tiny = {"encoder": "pixels", "data.alphabets": [1, 1, 1], "protocol.ways": 2, "protocol.queries": 1}
        >>> tiny |= {"trainer.steps": 2, "validation.episodes": 2, "logger.wandb": False, "logger.tensorboard": False}
        >>> run = metamann.train(metamann.settings(protocol="nway", **tiny), "runs/mine")
        >>> scores = teach_tasks(["runs/mine"], ContinualSettings(episodes=2, tasks=2, classes=2))
        >>> scores["KeyValue"]["forgetting"].shape  # of each sequence
        (2,)
    """
    settings = settings or ContinualSettings()
    with open_directory(directory or new_directory("continual")) as path, notes_once():
        check_no_run(path)
        save_settings(path, {**plain(settings), "runs": list(runs)}, caller.files, ".hydra")
        wanted = contestants(runs)
        if not wanted:
            raise ConfigError("runs= needs a run or more: runs=[RUN,RUN:linear_head].")
        matrices: dict[str, np.ndarray] = {}
        first: Any = None
        measure = "accuracy"
        course = Course(settings.tasks, settings.classes, settings.shots, settings.queries, settings.episodes)
        for number, (where, adapter) in enumerate(wanted, 1):
            progress(f"{number}/{len(wanted)}  {where}")
            run = Run(where, trust=settings.trust)
            opened_run = run.opened(settings if adapter is None else dataclasses.replace(settings, adapter=adapter))
            splits = opened_run.splits()
            evaluator = run.modality.course(
                splits, settings.split, opened_run.protocol(splits), course, settings.seed, opened_run.compute()
            )
            measure = run.modality.monitor
            first = evaluator if first is None else first
            check_same_tasks(first, evaluator, wanted[0][0], where)
            name = name_of(run, adapter)
            if name in matrices:
                raise ConfigError(f"two runs are called {name}; give runs that differ in their learner.")
            learner = opened_run.learner(evaluator)
            for line in capacity_notes(learner, evaluator.sampler.loads()):
                note(line)
            matrices[name] = run.modality.matrices(learner, evaluator, settings.tasks)
        scores = {name: continual_scores(matrix) for name, matrix in matrices.items()}
        _write(path, settings, first, matrices, scores, {"f1": "F1"}.get(measure, measure), caller.line)
        return scores


def _write(
    directory: Path,
    settings: ContinualSettings,
    first: Any,
    matrices: dict[str, np.ndarray],
    scores: dict[str, dict[str, np.ndarray]],
    measure: str,
    line: str | None,
) -> None:
    lines = ["| learner | " + " | ".join(f"{column}, %" for column in MEASURES) + " |", "| --- " * 5 + "|"]
    record: dict[str, Any] = {
        "protocol": {**first.describe(), "tasks": settings.tasks, "classes_of_a_task": settings.classes},
        "episodes": settings.episodes,
        "seed": settings.seed,
        "tasks_sha256": first.tasks.hash,
        **origin(line),
        "learners": {},
    }
    for name, by_sequence in scores.items():
        intervals = {column: mean_interval(by_sequence[column], lowest=-1.0) for column in MEASURES}
        cells = [
            f"{100 * interval.mean:.2f} ± {50 * (interval.high - interval.low):.2f}" for interval in intervals.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        record["learners"][name] = {
            **{column: interval._asdict() for column, interval in intervals.items()},
            "first_task": first_task_curve(matrices[name]).tolist(),
        }
    table = "\n".join(lines) + "\n"
    write_text(directory / "continual.md", table)
    write_json(directory / "continual.json", record)
    title = (
        f"{first.data} {first.split}: {settings.tasks} tasks of {settings.classes} classes, {settings.shots} shots, "
        f"{settings.episodes} episodes"
    )
    results.info(f"{title}:\n{table}".rstrip("\n"))
    curves = {name: first_task_curve(matrix) for name, matrix in matrices.items()}
    means = {name: matrix.mean(0) for name, matrix in matrices.items()}
    plots = directory / "plots"
    attempt(
        plots / "forgetting.png",
        lambda path: write_figure(path, plot_forgetting(curves, settings.classes, title, measure)),
    )
    attempt(plots / "matrices.png", lambda path: write_figure(path, plot_accuracy_matrices(means, title)))
