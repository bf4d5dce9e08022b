"""Scores, results files and pictures of a learner on one split: what training and evaluation end with."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from metamann.application.origin import origin
from metamann.commands.build import show_notes
from metamann.commands.directory import check_in_place, remove_results
from metamann.commands.shell import command_line
from metamann.data.cache import write_atomically
from metamann.episodes.episode import PADDING, Stream
from metamann.episodes.items.one_shot_runs import LakeOneShotRuns
from metamann.episodes.items.protocols import OnlineStream
from metamann.episodes.sequences.sampler import Sequences
from metamann.errors import LONGEST_MESSAGE, shorten
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import Interval, intervals, shown
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.evaluation.spans import COUNTED, span_intervals
from metamann.hardware import autocast
from metamann.learners.learner import Learner
from metamann.learners.sequence import SequenceLearner
from metamann.reports.diagnostics import memory_statistics
from metamann.reports.plots import plot_episode, plot_error_rates, plot_instances, plot_memory, plot_sequence
from metamann.reports.results import results_table, write_results
from metamann.reports.sentence_report import (
    MOST_SENTENCES,
    Reader,
    plot_confusion,
    plot_support_sizes,
    write_answers,
    write_page,
)
from metamann.training.dashboards import Mirrors

TRACED = 16  # streams that the statistics of a memory are taken over
WRITTEN = 5  # episodes of sentences that are written out

Write = Callable[[Path], None]


class Findings(NamedTuple):
    """What an evaluation found, and what there is to look at.

    Attributes:
        metrics: by name; none where nothing is labelled.
        statistics: of the memory, by name.
        pictures: by name, each drawn into the file that it is called with.
        page: of sentences, written likewise; None of all else.
        answers: the file of a user's own task that has them; None of all else.
    """

    metrics: dict[str, Interval]
    statistics: dict[str, float]
    pictures: Mapping[str, Write]
    page: Write | None = None
    answers: Path | None = None


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
        The metrics; none where nothing is labelled.
    """
    remove_results(directory)
    if isinstance(evaluator, SentenceEvaluator):
        found = _on_sentences(directory, learner, evaluator)
    elif isinstance(evaluator, SequenceEvaluator):
        found = _on_sequences(learner, evaluator)
    else:
        found = _on_episodes(learner, evaluator)
    check_in_place(directory)
    tasks, split = evaluator.tasks, evaluator.split
    beside: dict[str, Any] = {"tasks_sha256": tasks.hash, **origin(command_line())}
    if found.statistics:
        beside["memory"] = found.statistics
        mirrors.table(f"{split}/memory", ["statistic", "value"], [list(each) for each in found.statistics.items()])
    tasks.save(directory / "tasks.npz")
    write_results(directory, evaluator.describe(), len(tasks), tasks.seed, found.metrics, {**context, **beside})
    if found.metrics:
        rows = [[name, *(round(value, 2) for value in interval)] for name, interval in shown(found.metrics).items()]
        mirrors.table(f"{split}/results", ["metric", "mean %", "low %", "high %"], rows)
    print("\n".join([f"{evaluator.title}:", *results_table(found.metrics)]), flush=True)
    if found.answers is not None:
        print(f"answers: {found.answers}", flush=True)
    # only now that the results are safe
    for name, draw in found.pictures.items():
        picture = directory / "plots" / f"{name}.png"
        if attempt(picture, draw):
            mirrors.picture(context["checkpoint_step"], f"{split}/{name}", picture)
    page = directory / "sentences.html"
    if found.page is not None and attempt(page, found.page):
        mirrors.page(f"{split}/sentences", page)
    return found.metrics


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
        show_notes([shorten(f"{path.name} is left out, since it could not be written ({reason})", LONGEST_MESSAGE - 6)])
        return False
    return True


def _on_episodes(learner: Learner[Any], evaluator: Evaluator) -> Findings:
    metrics = intervals(evaluator.scores(learner))
    pictures: dict[str, Write] = {"episode": functools.partial(_draw_episode, learner=learner, evaluator=evaluator)}
    if isinstance(evaluator.protocol, LakeOneShotRuns):
        right = metrics["accuracy"]
        metrics["error_rate"] = Interval(1 - right.mean, 1 - right.high, 1 - right.low)
        pictures["error_rates"] = lambda path: plot_error_rates(path, metrics["error_rate"], evaluator.title)
    if not isinstance(evaluator.protocol, OnlineStream):
        return Findings(metrics, {}, pictures)
    ways = evaluator.protocol.max_ways
    pictures["instances"] = lambda path: plot_instances(path, metrics, ways, evaluator.title)
    few = next(evaluator.tasks.batches(evaluator.sampler, TRACED))
    assert isinstance(few, Stream)
    with torch.no_grad(), autocast(evaluator.device, evaluator.precision):
        trace = learner.trace(few.to(evaluator.device))
    if trace is None:
        return Findings(metrics, {}, pictures)
    statistics = memory_statistics(trace, (few.labels != PADDING).to(evaluator.device))
    if statistics:
        pictures["memory"] = lambda path: plot_memory(path, trace, few.labels)
    return Findings(metrics, statistics, pictures)


@torch.no_grad()
def _draw_episode(path: Path, learner: Learner[Any], evaluator: Evaluator) -> None:
    first = next(evaluator.tasks.batches(evaluator.sampler, 1))
    with autocast(evaluator.device, evaluator.precision):
        predicted = learner(first.to(evaluator.device)).argmax(-1).cpu()
    plot_episode(path, first, predicted)


def _on_sequences(learner: SequenceLearner, evaluator: SequenceEvaluator) -> Findings:
    metrics = intervals(evaluator.scores(learner))
    return Findings(metrics, {}, {"sequence": functools.partial(_draw_longest, learner=learner, evaluator=evaluator)})


@torch.no_grad()
def _draw_longest(path: Path, learner: SequenceLearner, evaluator: SequenceEvaluator) -> None:
    sequences = evaluator.tasks.sequences
    longest = int(sequences.mask.sum(1).argmax())
    one = Sequences(*(tensor[longest : longest + 1] for tensor in sequences))
    on_device = one.to(evaluator.device)
    ones = learner(on_device)[..., 1].exp().view_as(one.answers).cpu()
    plot_sequence(path, one, ones, learner.trace(on_device), f"{evaluator.title}: the longest")


def _on_sentences(directory: Path, learner: Learner[Any], evaluator: SentenceEvaluator) -> Findings:
    """Write the counts of every episode, and the answers of a task that is the only one, which is a user's own."""
    reader = Reader(evaluator.sampler.source.table, evaluator.scheme)
    one_task = len(evaluator.tasks) == 1
    few = evaluator.first(learner, WRITTEN, None if one_task else MOST_SENTENCES)
    answers = directory / "answers.txt" if one_task else None
    check_in_place(directory)
    if answers is not None:
        write_answers(answers, reader, few[0].plan, few[0].answers)

    def write(path: Path) -> None:
        write_page(path, evaluator.title, reader, few, evaluator.labelled)

    if not evaluator.labelled:
        return Findings({}, {}, {}, write, answers)
    tagged, title = evaluator.tagged(learner), evaluator.title
    check_in_place(directory)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, counted=np.array(COUNTED), counts=tagged.counts)
    write_atomically(directory / "counts.npz", buffer.getvalue())
    scores = span_intervals(tagged.counts, evaluator.scheme)
    metrics = {name: interval for name, interval in scores.items() if not np.isnan(interval.mean)}
    pictures: dict[str, Write] = {}
    if tagged.confusion[:-1].any():  # there is an entity to find
        pictures["confusion"] = lambda path: plot_confusion(path, tagged.confusion, tagged.types, title)
    sizes = np.array([len(plan.support) for plan in evaluator.tasks.plans])
    if np.ptp(sizes) > 0:
        pictures["support_size"] = lambda path: plot_support_sizes(path, tagged.counts, sizes, evaluator.scheme, title)
    return Findings(metrics, {}, pictures, write, answers)
