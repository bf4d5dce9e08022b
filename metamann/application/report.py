"""The report of a learner on one split, at the end of training and evaluation: scores, results files and pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamann.application.directory import check_in_place, remove_results
from metamann.application.origin import origin
from metamann.application.settings import LoggerSettings
from metamann.errors import LONGEST_MESSAGE, shorten
from metamann.evaluation.metrics import Interval, in_percent
from metamann.modalities.modality import Modality, Write
from metamann.reports.results import results_table, write_results
from metamann.training.dashboards import Mirrors, TensorBoardDashboard, WandbDashboard, is_installed
from metamann.training.log import note

results = logging.getLogger("metamann.results")


def report(
    directory: Path,
    modality: Modality,
    learner: Any,
    evaluator: Any,
    context: Mapping[str, Any],
    mirrors: Mirrors,
    line: str | None,
) -> dict[str, Interval]:
    """Evaluate and write `results.json`, `results.md`, `tasks.npz` and `plots/`; for sentences also `sentences.html`.

    Args:
        directory: directory of the run or of the results.
        modality: modality of the learner.
        learner: the learner to evaluate.
        evaluator: of the episodes.
        context: further entries of the results, such as `checkpoint_step`, the training step of the parameters.
        mirrors: dashboards.
        line: the command line; None for a call from Python.

    Returns:
        The metrics; empty without labels.
    """
    remove_results(directory)
    check_in_place(directory)
    findings = modality.findings(directory, learner, evaluator)
    check_in_place(directory)
    tasks, split = evaluator.tasks, evaluator.split
    more: dict[str, Any] = {"tasks_sha256": tasks.hash, **origin(line)}
    if findings.statistics:
        more["memory"] = findings.statistics
        rows = [list(row) for row in findings.statistics.items()]
        mirrors.table(f"{split}/memory_statistics", ["statistic", "value"], rows)
    tasks.save(directory / "tasks.npz")
    write_results(directory, evaluator.describe(), len(tasks), tasks.seed, findings.metrics, {**context, **more})
    if findings.metrics:
        rows = [
            [name, *(round(value, 2) for value in interval)] for name, interval in in_percent(findings.metrics).items()
        ]
        mirrors.table(f"{split}/results", ["metric", "mean %", "low %", "high %"], rows)
    results.info("\n".join([f"{evaluator.title}:", *results_table(findings.metrics)]))
    if findings.answers is not None:
        results.info(f"answers: {findings.answers}")
    # after the results are written
    for name, draw in findings.pictures.items():
        picture = directory / "plots" / f"{name}.png"
        if attempt(picture, draw):
            mirrors.picture(context["checkpoint_step"], f"{split}/{name}", picture)
    page = directory / "sentences.html"
    if findings.page is not None and attempt(page, findings.page):
        mirrors.page(f"{split}/sentences", page)
    return findings.metrics


def attempt(path: Path, write: Write) -> bool:
    """Write a picture or a page; a failure is logged, and nothing else is affected.

    Args:
        path: path of the file.
        write: writes the file.

    Returns:
        Whether it was written.
    """
    try:
        write(path)
    except Exception as error:  # drawing may raise anything, depending on names, fonts and numbers
        reason = f"{type(error).__name__}: {error}"
        note(shorten(f"{path.name} is left out, since it could not be written ({reason})", LONGEST_MESSAGE - 6))
        return False
    return True


def mirrors_of(logger: LoggerSettings, directory: Path, settings: dict[str, Any]) -> Mirrors:
    """The dashboards of the settings; those that are not installed are left out with a note."""
    makers: dict[str, Any] = {}
    if logger.wandb:
        makers["wandb"] = lambda: WandbDashboard(directory, settings, logger.project)
    if logger.tensorboard:
        makers["tensorboard"] = lambda: TensorBoardDashboard(directory)
    absent = [name for name in makers if not is_installed(name)]
    if absent:
        off = " ".join(f"logger.{name}=false" for name in absent)
        note(
            f"{' and '.join(absent)} not installed, so no curves are sent there. To see them, run "
            f'pip install "metamann[dashboards]"; to leave this note out, set {off}.'
        )
    return Mirrors({name: make for name, make in makers.items() if name not in absent})
