"""Results of an evaluation on items: scores, statistics of the memory over streams, and pictures."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch

from metamann.episodes.episode import PADDING, Stream
from metamann.episodes.items.one_shot_runs import LakeOneShotRuns
from metamann.episodes.items.protocols import OnlineStream
from metamann.evaluation.item_evaluator import ItemEvaluator
from metamann.evaluation.metrics import Interval, intervals
from metamann.hardware import autocast
from metamann.learners.learner import Learner
from metamann.modalities.modality import Findings, Write
from metamann.reports.caption import caption
from metamann.reports.diagnostics import memory_statistics
from metamann.reports.episode_plots import plot_episode, plot_memory
from metamann.reports.pictures import write_figure
from metamann.reports.plots import plot_error_rates, plot_instances
from metamann.reports.published import STREAM_5_WAY

TRACED = 16  # streams over which the statistics of a memory are computed


def item_findings(learner: Learner[Any], evaluator: ItemEvaluator) -> Findings:
    """Scores, statistics of the memory over streams, and pictures of a learner."""
    metrics = intervals(evaluator.scores(learner))
    title = caption(evaluator)
    pictures: dict[str, Write] = {}
    if evaluator.sampler.store.items.dim() == 4:  # images
        pictures["episode"] = functools.partial(_draw_episode, learner=learner, evaluator=evaluator)
    if isinstance(evaluator.protocol, LakeOneShotRuns):
        right = metrics["accuracy"]
        metrics["error_rate"] = Interval(1 - right.mean, 1 - right.high, 1 - right.low)
        pictures["error_rates"] = lambda path: write_figure(path, plot_error_rates(metrics["error_rate"], title))
    if not isinstance(evaluator.protocol, OnlineStream):
        return Findings(metrics, {}, pictures)
    ways, published = evaluator.protocol.max_ways, published_curves(evaluator)
    pictures["instances"] = lambda path: write_figure(path, plot_instances(metrics, ways, title, published))
    few = evaluator.sampler.batch(range(min(TRACED, len(evaluator.tasks))))
    assert isinstance(few, Stream)
    with torch.no_grad(), autocast(evaluator.device, evaluator.precision):
        trace = learner.trace(few.to(evaluator.device))
    if trace is None:
        return Findings(metrics, {}, pictures)
    statistics = memory_statistics(trace, (few.labels != PADDING).to(evaluator.device))
    if statistics:
        pictures["memory"] = lambda path: write_figure(path, plot_memory(trace, few.labels, f"{title}: the first"))
    return Findings(metrics, statistics, pictures)


def published_curves(evaluator: ItemEvaluator) -> dict[str, tuple[float, ...]]:
    """Published accuracies by instance on the data set and the protocol of an evaluation; empty if there are none."""
    protocol = evaluator.describe()
    omniglot = evaluator.data.partition("/")[0] == "omniglot"
    return STREAM_5_WAY if omniglot and protocol["ways"] == 5 and protocol["steps"] == 50 else {}


@torch.no_grad()
def _draw_episode(path: Path, learner: Learner[Any], evaluator: ItemEvaluator) -> None:
    first = next(evaluator.tasks.batches(evaluator.sampler, 1))
    with autocast(evaluator.device, evaluator.precision):
        predicted = learner(first.to(evaluator.device)).argmax(-1).cpu()
    write_figure(path, plot_episode(first, predicted, f"{caption(evaluator)}: the first"))
