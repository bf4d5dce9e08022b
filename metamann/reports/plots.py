"""Pictures of scores: accuracy by instance, error rates, comparisons, forgetting, training curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from metamann.episodes.episode import first_instance_ceiling
from metamann.evaluation.comparison import Compared
from metamann.evaluation.metrics import Interval
from metamann.reports.pictures import LONG_NAME, drawable, new_figure
from metamann.reports.published import INSTANCES, LAKE_RUNS, STREAM_5_WAY

NARROW_NAME = 30  # characters that there is room for over a matrix


def plot_instances(metrics: Mapping[str, Interval], ways: int, title: str) -> Figure:
    """Draw accuracy by instance with its 95 % interval, for 5 classes beside the published curves.

    Args:
        metrics: of an evaluation on streams.
        ways: classes of a stream, for the ceiling of first instances.
        title: protocol, data and learner.
    """
    ks = sorted(int(name.rpartition("_")[2]) for name in metrics if name.startswith("accuracy/instance_"))
    intervals = [metrics[f"accuracy/instance_{k}"] for k in ks]
    figure = new_figure(7, 4.5, title)
    axis = figure.subplots()
    if ways == 5:
        for name, values in STREAM_5_WAY.items():
            axis.plot(INSTANCES, 100 * np.array(values), "--", marker=".", linewidth=1, label=name)
    axis.axhline(100 * first_instance_ceiling(ways), color="gray", linewidth=0.8)
    axis.annotate(
        f"ceiling of 1st instances {100 * first_instance_ceiling(ways):.2f} %",
        (ks[-1], 100 * first_instance_ceiling(ways)),
        ha="right", va="bottom", fontsize=8, color="gray",
    )  # fmt: skip
    means = 100 * np.array([interval.mean for interval in intervals])
    errors = np.abs(100 * np.array([[i.low, i.high] for i in intervals]).T - means)
    axis.errorbar(ks, means, yerr=errors, color="black", marker="o", markersize=4, capsize=3, label="this run")
    axis.set(xlabel="instance of a class", ylabel="accuracy, %", ylim=(0, 102), xticks=ks)
    axis.legend(fontsize=8, loc="lower right")
    axis.grid(alpha=0.3)
    return figure


def plot_error_rates(error_rate: Interval, title: str) -> Figure:
    """Draw the error rate on Lake's runs with its 95 % interval, beside the published ones.

    Args:
        error_rate: of an evaluation on the runs.
        title: protocol, data and learner.
    """
    rates = {**LAKE_RUNS, "this run": error_rate.mean}
    figure = new_figure(7, 3, title)
    axis = figure.subplots()
    colors = ["C0"] * len(LAKE_RUNS) + ["black"]
    bars = axis.barh(list(rates), [100 * rate for rate in rates.values()], color=colors)
    axis.bar_label(bars, [f"{100 * rate:.1f}" for rate in LAKE_RUNS.values()] + [""], padding=3, fontsize=8)
    low, high = 100 * error_rate.low, 100 * error_rate.high
    axis.plot([low, high], ["this run"] * 2, color="gray", linewidth=2)
    axis.annotate(
        f"{100 * error_rate.mean:.2f} ({low:.2f} to {high:.2f})",
        (high, "this run"),
        (4, -3),
        fontsize=8,
        textcoords="offset points",
        annotation_clip=False,
    )
    axis.margins(x=0.4)
    axis.invert_yaxis()
    axis.set_xlabel("error rate, %")
    axis.grid(axis="x", alpha=0.3)
    return figure


def plot_comparison(rows: Sequence[Compared], metric: str, title: str) -> Figure:
    """Draw the scores of compared learners with their 95 % intervals over episodes, and a stroke for each seed.

    Args:
        rows: of the comparison.
        metric: its name.
        title: data, protocol and episodes.
    """
    figure = new_figure(7, 1.4 + 0.35 * len(rows), title)
    axis = figure.subplots()
    for height, row in enumerate(rows):
        low, mean, high = (100 * value for value in (row.score.low, row.score.mean, row.score.high))
        axis.plot([low, high], [height, height], color="C0", linewidth=3, alpha=0.5)
        axis.plot(mean, height, "o", color="C0", markersize=6)
        seeds = [100 * value for value in row.by_seed]
        axis.plot(seeds, [height] * len(seeds), "|", color="black", markersize=9)
    axis.set_yticks(range(len(rows)), [drawable(row.name, LONG_NAME) for row in rows], fontsize=8)
    axis.invert_yaxis()
    figure.supxlabel(f"{metric}, %\nmean, 95 % interval over episodes, a stroke for each seed", fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    return figure


def plot_forgetting(curves: Mapping[str, np.ndarray], classes: int, title: str, measure: str) -> Figure:
    """Draw the score on the classes of the first task against the number of classes taught since.

    Args:
        curves: of each learner, `tasks`.
        classes: of a task.
        title: data, protocol and sequences.
        measure: what the score is: accuracy, or F1 of sentences.
    """
    figure = new_figure(7, 4.5, title)
    axis = figure.subplots()
    for name, curve in curves.items():
        axis.plot(classes * np.arange(len(curve)), 100 * curve, marker=".", label=drawable(name, LONG_NAME))
    axis.set(xlabel="classes taught since", ylabel=f"{measure} on the first task, %", ylim=(0, 102))
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    return figure


def plot_accuracy_matrices(matrices: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw R of each learner, mean over sequences, as a heat map.

    Args:
        matrices: of each learner, `tasks x tasks`.
        title: data, protocol and sequences.
    """
    columns = min(4, len(matrices))
    rows = -(-len(matrices) // columns)
    figure = new_figure(2.6 * columns + 1, 2.6 * rows + 0.5, title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(matrices) :]:
        axis.axis("off")
    for axis, (name, matrix) in zip(axes.flat, matrices.items(), strict=False):
        image = axis.imshow(100 * matrix, vmin=0, vmax=100, cmap="viridis")
        axis.set_title(drawable(name, NARROW_NAME), fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.supxlabel("task asked for", fontsize=9)
    figure.supylabel("tasks learned", fontsize=9)
    figure.colorbar(image, ax=list(axes.flat), label="accuracy, %", shrink=0.8)
    return figure


def plot_curves(events: Sequence[Mapping[str, float | str | None]]) -> Figure:
    """Draw loss and accuracy over the training steps; validation on sentences is F1.

    Args:
        events: lines of `metrics.jsonl`.
    """
    train, validation = ([event for event in events if event["kind"] == kind] for kind in ("train", "validation"))
    chosen = "f1" if any("f1" in event for event in validation) else "accuracy"
    validation = [event for event in validation if chosen in event]
    label = {"f1": "validation, F1", "accuracy": "validation"}[chosen]
    figure = new_figure(9, 3.5)
    left, right = figure.subplots(1, 2)
    left.plot(_curve(train, "step"), _curve(train, "loss"), linewidth=0.7)
    left.set(xlabel="step", ylabel="training loss, nats", yscale="log")
    left.yaxis.set_major_formatter(LogFormatter())  # matplotlib's own choice writes formulas
    left.yaxis.set_minor_formatter(LogFormatter())
    right.plot(_curve(train, "step"), 100 * _curve(train, "accuracy"), linewidth=0.7, label="training")
    right.plot(_curve(validation, "step"), 100 * _curve(validation, chosen), "o-", label=label)
    right.set(xlabel="step", ylabel="accuracy, %" if chosen == "accuracy" else "accuracy of words, F1, %")
    right.legend()
    return figure


def _curve(events: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Values of events; a gap where the value was no finite number, which the record has as null."""
    return np.array([math.nan if event[name] is None else float(event[name]) for event in events])
