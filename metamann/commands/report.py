"""Scores, results files and pictures of a learner on one split: what training and evaluation end with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metamann.commands.directory import check_in_place, remove_results
from metamann.commands.origin import origin
from metamann.data.cache import write_atomically
from metamann.episodes.episode import PADDING, Stream
from metamann.episodes.one_shot_runs import LakeOneShotRuns
from metamann.episodes.protocols import OnlineStream
from metamann.episodes.sequences import Sequences
from metamann.evaluation.diagnostics import memory_statistics
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import Interval, intervals, shown
from metamann.evaluation.plots import plot_episode, plot_error_rates, plot_instances, plot_memory, plot_sequence
from metamann.evaluation.results import results_table, write_results
from metamann.evaluation.sentence_evaluator import SentenceEvaluator, Tagged
from metamann.evaluation.sentence_report import (
    MOST_SENTENCES,
    Reader,
    plot_confusion,
    plot_support_sizes,
    write_answers,
    write_page,
)
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.evaluation.spans import COUNTED, span_intervals
from metamann.hardware import autocast
from metamann.learners.learner import Learner
from metamann.learners.sequence import SequenceLearner
from metamann.training.dashboards import Mirrors

TRACED = 16  # streams that the statistics of a memory are taken over
WRITTEN = 5  # episodes of sentences that are written out


def report(
    directory: Path,
    learner: Any,
    evaluator: Evaluator | SequenceEvaluator | SentenceEvaluator,
    context: dict[str, Any],
    mirrors: Mirrors,
) -> dict[str, Interval]:
    """Evaluate and write `results.json`, `results.md`, `tasks.npz` and `plots/`; of sentences also `sentences.html`.

    Args:
        directory: the run directory.
        learner: what is evaluated, of the kind that the evaluator takes.
        evaluator: on what.
        context: what belongs beside the numbers: `checkpoint_step`, the training step of the parameters, and more.
        mirrors: dashboards.

    Returns:
        The metrics.
    """
    remove_results(directory)
    tagged = evaluator.tagged(learner) if isinstance(evaluator, SentenceEvaluator) else None
    if isinstance(evaluator, SentenceEvaluator) and tagged is not None:
        found = span_intervals(tagged.counts, evaluator.scheme)
        metrics = {name: interval for name, interval in found.items() if not np.isnan(interval.mean)}
    else:
        assert not isinstance(evaluator, SentenceEvaluator)
        metrics = intervals(evaluator.scores(learner))
        if isinstance(evaluator, Evaluator) and isinstance(evaluator.protocol, LakeOneShotRuns):
            right = metrics["accuracy"]
            metrics["error_rate"] = Interval(1 - right.mean, 1 - right.high, 1 - right.low)
    check_in_place(directory)
    tasks, split, title = evaluator.tasks, evaluator.split, evaluator.title
    beside: dict[str, Any] = {"tasks_sha256": tasks.hash, **origin()}
    plots = directory / "plots"
    if isinstance(evaluator, SentenceEvaluator) and tagged is not None:
        drawn = _draw_sentences(directory, learner, evaluator, tagged)
        mirrors.page(f"{split}/sentences", directory / "sentences.html")
    elif isinstance(evaluator, SequenceEvaluator):
        drawn = _draw_sequence(plots, learner, evaluator)
    else:
        assert isinstance(evaluator, Evaluator)
        drawn = _draw_episode(plots, learner, evaluator, metrics)
    if isinstance(evaluator, Evaluator) and isinstance(evaluator.protocol, OnlineStream):
        statistics = _draw_memory(plots, learner, evaluator)
        if statistics:
            beside["memory"] = statistics
            drawn.append("memory")
            mirrors.table(f"{split}/memory", ["statistic", "value"], [list(each) for each in statistics.items()])
    tasks.save(directory / "tasks.npz")
    write_results(directory, evaluator.describe(), len(tasks), tasks.seed, metrics, {**context, **beside})
    for name in drawn:
        mirrors.picture(context["checkpoint_step"], f"{split}/{name}", plots / f"{name}.png")
    rows = [[name, *(round(value, 2) for value in interval)] for name, interval in shown(metrics).items()]
    mirrors.table(f"{split}/results", ["metric", "mean %", "low %", "high %"], rows)
    print("\n".join([f"{title}:", *results_table(metrics)]), flush=True)
    return metrics


@torch.no_grad()
def _draw_episode(folder: Path, learner: Learner[Any], evaluator: Evaluator, metrics: dict[str, Interval]) -> list[str]:
    """Draw what the protocol allows, and return the names of the pictures."""
    device, precision = evaluator.device, evaluator.precision
    first = next(evaluator.tasks.batches(evaluator.sampler, 1))
    with autocast(device, precision):
        predicted = learner(first.to(device)).argmax(-1).cpu()
    plot_episode(folder / "episode.png", first, predicted)
    drawn = ["episode"]
    if "error_rate" in metrics:
        plot_error_rates(folder / "error_rates.png", metrics["error_rate"], evaluator.title)
        drawn.append("error_rates")
    if isinstance(first, Stream):
        plot_instances(folder / "instances.png", metrics, evaluator.protocol.max_ways, evaluator.title)
        drawn.append("instances")
    return drawn


@torch.no_grad()
def _draw_memory(folder: Path, learner: Learner[Any], evaluator: Evaluator) -> dict[str, float]:
    """Draw what the memory does in the first stream, and return its statistics over a few streams."""
    few = next(evaluator.tasks.batches(evaluator.sampler, TRACED))
    assert isinstance(few, Stream)
    with autocast(evaluator.device, evaluator.precision):
        trace = learner.trace(few.to(evaluator.device))
    if trace is None:
        return {}
    statistics = memory_statistics(trace, (few.labels != PADDING).to(evaluator.device))
    if statistics:
        plot_memory(folder / "memory.png", trace, few.labels)
    return statistics


@torch.no_grad()
def _draw_sequence(folder: Path, learner: SequenceLearner, evaluator: SequenceEvaluator) -> list[str]:
    """Draw the longest sequence, and return the name of the picture."""
    sequences = evaluator.tasks.sequences
    longest = int(sequences.mask.sum(1).argmax())
    one = Sequences(*(tensor[longest : longest + 1] for tensor in sequences))
    on_device = one.to(evaluator.device)
    ones = learner(on_device)[..., 1].exp().view_as(one.answers).cpu()
    plot_sequence(folder / "sequence.png", one, ones, learner.trace(on_device), f"{evaluator.title}: the longest")
    return ["sequence"]


def _draw_sentences(directory: Path, learner: Learner[Any], evaluator: SentenceEvaluator, tagged: Tagged) -> list[str]:
    """Write the counts of every episode and a few sentences, draw the rest, and return the names of the pictures."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, counted=np.array(COUNTED), counts=tagged.counts)
    write_atomically(directory / "counts.npz", buffer.getvalue())
    reader = Reader(evaluator.sampler.source.table, evaluator.scheme)
    one_task = len(evaluator.tasks) == 1  # a user's own, of which all answers are written
    few = evaluator.first(learner, WRITTEN, None if one_task else MOST_SENTENCES)
    write_page(directory / "sentences.html", evaluator.title, reader, few)
    if one_task:
        write_answers(directory / "answers.txt", reader, few[0].plan, few[0].answers)
    plots, drawn = directory / "plots", ["confusion"]
    plot_confusion(plots / "confusion.png", tagged.confusion, tagged.types, evaluator.title)
    sizes = np.array([len(plan.support) for plan in evaluator.tasks.plans])
    if plot_support_sizes(plots / "support_size.png", tagged.counts, sizes, evaluator.scheme, evaluator.title):
        drawn.append("support_size")
    return drawn
