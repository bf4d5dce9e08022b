"""Figures of scores: accuracy by instance, error rates, comparisons, forgetting, training curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from metamann.episodes.episode import first_instance_ceiling
from metamann.evaluation.comparison import Compared
from metamann.evaluation.metrics import Interval
from metamann.reports.pictures import LONG_NAME, SMALL, WIDTH, drawable, new_figure
from metamann.reports.published import INSTANCES, LAKE_RUNS

NARROW_NAME = 30  # characters that fit above a matrix


def plot_instances(
    metrics: Mapping[str, Interval], ways: int, title: str, published: Mapping[str, Sequence[float]]
) -> Figure:
    """Plot accuracy by instance with its 95 % interval.

    Args:
        metrics: of an evaluation on streams.
        ways: classes of a stream, for the ceiling of the first instance.
        title: data set, protocol and episodes.
        published: curves over `INSTANCES` for the same data set and protocol, by name; empty for other data.
    """
    ks = sorted(int(name.rpartition("_")[2]) for name in metrics if name.startswith("accuracy/instance_"))
    intervals = [metrics[f"accuracy/instance_{k}"] for k in ks]
    figure = new_figure(WIDTH, 4.5, title)
    axis = figure.subplots()
    for name, values in published.items():
        axis.plot(INSTANCES, 100 * np.array(values), "--", marker=".", linewidth=1, label=name)
    axis.axhline(100 * first_instance_ceiling(ways), color="gray", linewidth=0.8)
    axis.annotate(
        f"ceiling of 1st instances {100 * first_instance_ceiling(ways):.2f} %",
        (ks[-1], 100 * first_instance_ceiling(ways)),
        ha="right", va="bottom", fontsize=SMALL, color="gray",
    )  # fmt: skip
    means = 100 * np.array([interval.mean for interval in intervals])
    errors = np.abs(100 * np.array([[i.low, i.high] for i in intervals]).T - means)
    axis.errorbar(ks, means, yerr=errors, color="black", marker="o", markersize=4, capsize=3, label="this run")
    axis.set(xlabel="instance of a class", ylabel="accuracy, %", ylim=(0, 102), xticks=ks)
    axis.legend(fontsize=SMALL, loc="lower right")
    axis.grid(alpha=0.3)
    return figure


def plot_error_rates(error_rate: Interval, title: str) -> Figure:
    """Plot the error rate on Lake's runs with its 95 % interval, beside published error rates.

    Args:
        error_rate: of an evaluation on the runs.
        title: data set, protocol and episodes.
    """
    rates = {**LAKE_RUNS, "this run": error_rate.mean}
    figure = new_figure(WIDTH, 3, title)
    axis = figure.subplots()
    colors = ["C0"] * len(LAKE_RUNS) + ["black"]
    bars = axis.barh(list(rates), [100 * rate for rate in rates.values()], color=colors)
    axis.bar_label(bars, [f"{100 * rate:.1f}" for rate in LAKE_RUNS.values()] + [""], padding=3, fontsize=SMALL)
    low, high = 100 * error_rate.low, 100 * error_rate.high
    axis.plot([low, high], ["this run"] * 2, color="gray", linewidth=2)
    axis.annotate(
        f"{100 * error_rate.mean:.2f} ({low:.2f} to {high:.2f})",
        (high, "this run"),
        (4, -3),
        fontsize=SMALL,
        textcoords="offset points",
        annotation_clip=False,
    )
    axis.margins(x=0.4)
    axis.invert_yaxis()
    axis.set_xlabel("error rate, %")
    axis.grid(axis="x", alpha=0.3)
    return figure


def plot_comparison(rows: Sequence[Compared], metric: str, title: str) -> Figure:
    """Plot the scores of several learners with their 95 % intervals over episodes, and a tick for each seed.

    Args:
        rows: of the comparison.
        metric: name of the score.
        title: data, protocol and episodes.
    """
    figure = new_figure(WIDTH, 1.4 + 0.35 * len(rows), title)
    axis = figure.subplots()
    for height, row in enumerate(rows):
        low, mean, high = (100 * value for value in (row.score.low, row.score.mean, row.score.high))
        axis.plot([low, high], [height, height], color="C0", linewidth=3, alpha=0.5)
        axis.plot(mean, height, "o", color="C0", markersize=6)
        seeds = [100 * value for value in row.by_seed]
        axis.plot(seeds, [height] * len(seeds), "|", color="black", markersize=9)
    axis.set_yticks(range(len(rows)), [drawable(row.name, LONG_NAME) for row in rows], fontsize=SMALL)
    axis.invert_yaxis()
    figure.supxlabel(f"{metric}, %\nmean, 95 % interval over episodes, a stroke for each seed", fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    return figure


def plot_forgetting(curves: Mapping[str, np.ndarray], classes: int, title: str, measure: str) -> Figure:
    """Plot the score on the classes of the first task against the number of classes learned after it.

    Args:
        curves: `tasks`, by name of the learner.
        classes: number of classes of a task.
        title: data, protocol and sequences.
        measure: name of the score, accuracy or F1.
    """
    figure = new_figure(WIDTH, 4.5, title)
    axis = figure.subplots()
    for name, curve in curves.items():
        axis.plot(classes * np.arange(len(curve)), 100 * curve, marker=".", label=drawable(name, LONG_NAME))
    axis.set(xlabel="classes taught since", ylabel=f"{measure} on the first task, %", ylim=(0, 102))
    axis.legend(fontsize=SMALL)
    axis.grid(alpha=0.3)
    return figure


def plot_accuracy_matrices(matrices: Mapping[str, np.ndarray], title: str) -> Figure:
    """Plot the accuracy matrix R of each learner, the mean over sequences, as a heat map.

    Args:
        matrices: `tasks x tasks`, by name of the learner.
        title: data, protocol and sequences.
    """
    columns = min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    figure = new_figure(WIDTH, (WIDTH - 1) / max(2, columns) * rows + 0.8, title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(matrices) :]:
        axis.axis("off")
    for axis, (name, matrix) in zip(axes.flat, matrices.items(), strict=False):
        image = axis.imshow(100 * matrix, vmin=0, vmax=100, cmap="viridis")
        axis.set_title(drawable(name, NARROW_NAME), fontsize=SMALL)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.supxlabel("task evaluated", fontsize=9)
    figure.supylabel("tasks learned", fontsize=9)
    figure.colorbar(image, ax=list(axes.flat), label="accuracy, %", shrink=0.8)
    return figure


def plot_curves(
    events: Sequence[Mapping[str, float | str | None]], title: str, training: str, validation: str
) -> Figure:
    """Plot loss and accuracy on the training episodes, and in a separate panel the score on the validation episodes.

    Args:
        events: lines of `metrics.jsonl`.
        title: data set.
        training: protocol and number of the training episodes.
        validation: protocol and number of the validation episodes.
    """
    steps, validations = ([event for event in events if event["kind"] == kind] for kind in ("train", "validation"))
    monitor = "f1" if any("f1" in event for event in validations) else "accuracy"
    validations = [event for event in validations if monitor in event]
    figure = new_figure(WIDTH, 4.5, title)
    axes = figure.subplot_mosaic([["loss", "validation"], ["accuracy", "validation"]])
    numbers, losses = _curve(steps, "step"), _curve(steps, "loss")
    axes["loss"].plot(numbers, losses, linewidth=0.8)
    axes["loss"].set_ylabel("loss, nats")
    _scale(axes["loss"], losses)
    axes["accuracy"].plot(numbers, 100 * _curve(steps, "accuracy"), linewidth=0.8)
    axes["accuracy"].set_ylabel("accuracy, %" if monitor == "accuracy" else "accuracy of words, %")
    axes["validation"].plot(_curve(validations, "step"), 100 * _curve(validations, monitor), "o-", color="C1")
    axes["validation"].set_ylabel({"f1": "F1, %", "accuracy": "accuracy, %"}[monitor])
    axes["loss"].set_title(f"training episodes\n{drawable(training, LONG_NAME)}", fontsize=SMALL)
    axes["validation"].set_title(f"validation episodes\n{drawable(validation, LONG_NAME)}", fontsize=SMALL)
    for axis in axes.values():
        axis.grid(alpha=0.3)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes["loss"].sharex(axes["accuracy"])
    axes["loss"].tick_params(labelbottom=False)
    figure.supxlabel("training step", fontsize=9)
    return figure


def _scale(axis: Axes, values: np.ndarray) -> None:
    """A logarithmic scale for values that span more than a factor of 10, with plain numbers at the ticks."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size or positive.max() <= 10 * positive.min():
        return
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if positive.max() < 1000 * positive.min() else (1,)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))


def plain_number(value: float) -> str:
    """A positive number in decimal notation, with an exponent only if it is very small or very large.

    Examples:
        >>> plain_number(0.05), plain_number(2000.0)
        ('0.05', '2000')
    """
    if not 1e-6 <= value < 1e6:
        return f"{value:g}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _curve(events: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Values of events; NaN, a gap in the curve, where the record has null because the value was not finite."""
    return np.array([math.nan if event[name] is None else float(event[name]) for event in events])
