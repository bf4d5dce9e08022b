"""Results of an evaluation on sentences: scores of spans, counts of every episode, coloured sentences, answers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from metamann.data.cache import write_atomically
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.spans import COUNTED, span_intervals
from metamann.learners.learner import Learner
from metamann.modalities.modality import Findings, Write
from metamann.reports.caption import caption
from metamann.reports.pictures import write_figure
from metamann.reports.sentence_plots import plot_confusion, plot_support_sizes
from metamann.reports.sentence_report import (
    MOST_SENTENCES,
    Reader,
    write_answers,
    write_page,
)

WRITTEN = 5  # episodes on the page of sentences


def sentence_findings(directory: Path, learner: Learner[Any], evaluator: SentenceEvaluator) -> Findings:
    """Scores and pictures of a learner.

    Args:
        directory: for the counts of every episode, and for the answers if there is a single task, a user's own.
        learner: few-shot or of fixed classes.
        evaluator: of the episodes.
    """
    reader = Reader(evaluator.sampler.source.table, evaluator.scheme)
    one_task = len(evaluator.tasks) == 1
    few = evaluator.first(learner, WRITTEN, None if one_task else MOST_SENTENCES)
    answers = directory / "answers.txt" if one_task else None
    if answers is not None:
        write_answers(answers, reader, few[0].plan, few[0].answers)

    def write(path: Path) -> None:
        write_page(path, evaluator.title, reader, few, evaluator.labelled)

    if not evaluator.labelled:
        return Findings({}, {}, {}, write, answers)
    results, title = evaluator.count(learner), caption(evaluator)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, counted=np.array(COUNTED), counts=results.counts)
    write_atomically(directory / "counts.npz", buffer.getvalue())
    scores = span_intervals(results.counts, evaluator.scheme)
    metrics = {name: interval for name, interval in scores.items() if not np.isnan(interval.mean)}
    pictures: dict[str, Write] = {}
    if results.confusion[:-1].any():  # some entity is labelled
        pictures["confusion"] = lambda path: write_figure(path, plot_confusion(results.confusion, results.types, title))
    sizes = np.array([len(plan.support) for plan in evaluator.tasks.plans])
    if np.ptp(sizes) > 0:
        pictures["support_size"] = lambda path: write_figure(
            path, plot_support_sizes(results.counts, sizes, evaluator.scheme, title)
        )
    return Findings(metrics, {}, pictures, write, answers)
