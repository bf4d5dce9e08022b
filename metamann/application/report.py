"""Scores, results files and pictures of a learner on one split: what training and evaluation end with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamann.application.directory import check_in_place, remove_results
from metamann.application.origin import origin
from metamann.application.settings import LoggerSettings
from metamann.errors import LONGEST_MESSAGE, shorten
from metamann.evaluation.metrics import Interval, shown
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
    """Evaluate and write `results.json`, `results.md`, `tasks.npz` and `plots/`; of sentences also `sentences.html`.

    Args:
        directory: of the run, or of results.
        modality: of the learner.
        learner: what is evaluated.
        evaluator: on what.
        context: what belongs beside the numbers: `checkpoint_step`, the training step of the parameters, and more.
        mirrors: dashboards.
        line: of the command.

    Returns:
        The metrics; none where nothing is labelled.
    """
    remove_results(directory)
    check_in_place(directory)
    findings = modality.findings(directory, learner, evaluator)
    check_in_place(directory)
    tasks, split = evaluator.tasks, evaluator.split
    beside: dict[str, Any] = {"tasks_sha256": tasks.hash, **origin(line)}
    if findings.statistics:
        beside["memory"] = findings.statistics
        rows = [list(row) for row in findings.statistics.items()]
        mirrors.table(f"{split}/memory_statistics", ["statistic", "value"], rows)
    tasks.save(directory / "tasks.npz")
    write_results(directory, evaluator.describe(), len(tasks), tasks.seed, findings.metrics, {**context, **beside})
    if findings.metrics:
        rows = [[name, *(round(value, 2) for value in interval)] for name, interval in shown(findings.metrics).items()]
        mirrors.table(f"{split}/results", ["metric", "mean %", "low %", "high %"], rows)
    results.info("\n".join([f"{evaluator.title}:", *results_table(findings.metrics)]))
    if findings.answers is not None:
        results.info(f"answers: {findings.answers}")
    # only now that the results are safe
    for name, draw in findings.pictures.items():
        picture = directory / "plots" / f"{name}.png"
        if attempt(picture, draw):
            mirrors.picture(context["checkpoint_step"], f"{split}/{name}", picture)
    page = directory / "sentences.html"
    if findings.page is not None and attempt(page, findings.page):
        mirrors.page(f"{split}/sentences", page)
    return findings.metrics


def attempt(path: Path, write: Write) -> bool:
    """Write a picture or a page; one that fails is said, and costs nothing but itself.

    Args:
        path: to write to.
        write: writes it.

    Returns:
        Whether it was written.
    """
    try:
        write(path)
    except Exception as error:  # names, fonts and numbers can make a drawing fail in any way
        reason = f"{type(error).__name__}: {error}"
        note(shorten(f"{path.name} is left out, since it could not be written ({reason})", LONGEST_MESSAGE - 6))
        return False
    return True


def mirrors_of(logger: LoggerSettings, directory: Path, settings: dict[str, Any]) -> Mirrors:
    """The dashboards that settings ask for; one that is not installed is said, and left out."""
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
