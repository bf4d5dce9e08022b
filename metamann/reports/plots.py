"""Pictures of an evaluation: an episode with its predictions, accuracy by instance, read weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter, MaxNLocator
from torch import Tensor

from metamann.episodes.episode import PADDING, Episode, Stream, first_instance_ceiling, instances
from metamann.episodes.sequences.sampler import Sequences
from metamann.evaluation.comparison import Compared
from metamann.evaluation.metrics import Interval
from metamann.memory.interface import Trace
from metamann.reports.pictures import LONG_NAME, drawable, picture
from metamann.reports.published import INSTANCES, LAKE_RUNS, STREAM_5_WAY

RIGHT, WRONG, GIVEN = "#1a7f37", "#cf222e", "#57606a"
COLUMNS = 10
NARROW_NAME = 30  # characters that there is room for over a matrix
MOST_DRAWN = 50


def plot_episode(path: Path, episode: Episode | Stream, predicted: Tensor) -> None:
    """Draw the first episode of a batch: support, then items with predicted and true label.

    Args:
        path: PNG to write.
        episode: batch of which the first is drawn, at most 50 items of each set.
        predicted: `batch x targets`, class numbers.
    """
    sets: list[tuple[str, Tensor, Tensor, Tensor | None]]
    if isinstance(episode, Stream):
        sets = [("stream, in the order shown", episode.inputs[0], episode.labels[0], predicted[0])]
    else:
        sets = [
            ("support", episode.support.inputs[0], episode.support.labels[0], None),
            ("query", episode.query.inputs[0], episode.query.labels[0], predicted[0]),
        ]
    shown = [(title, _first(images, labels), answers) for title, images, labels, answers in sets]
    rows = [-(-len(labels) // COLUMNS) for _, (_, labels), _ in shown]
    with picture(path, COLUMNS * 0.85, sum(rows) * 1.05 + 0.5 * len(rows)) as figure:
        parts = figure.subfigures(len(shown), 1, height_ratios=rows, squeeze=False)[:, 0]
        for part, (title, (images, labels), answers), n_rows in zip(parts, shown, rows, strict=True):
            part.suptitle(title, fontsize=10)
            axes = np.atleast_2d(part.subplots(n_rows, COLUMNS))
            which = instances(labels.unsqueeze(0))[0] if answers is not None and isinstance(episode, Stream) else None
            for position, axis in enumerate(axes.flat):
                axis.axis("off")
                if position < len(labels):
                    axis.imshow(255 - images[position, 0].numpy(), cmap="gray", vmin=0, vmax=255)
                    nth = None if which is None else int(which[position])
                    _title(axis, int(labels[position]), None if answers is None else int(answers[position]), nth)


def plot_instances(path: Path, metrics: Mapping[str, Interval], ways: int, title: str) -> None:
    """Draw accuracy by instance with its 95 % interval, for 5 classes beside the published curves.

    Args:
        path: PNG to write.
        metrics: of an evaluation on streams.
        ways: classes of a stream, for the ceiling of first instances.
        title: protocol, data and learner.
    """
    ks = sorted(int(name.rpartition("_")[2]) for name in metrics if name.startswith("accuracy/instance_"))
    intervals = [metrics[f"accuracy/instance_{k}"] for k in ks]
    with picture(path, 7, 4.5, title) as figure:
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


def plot_error_rates(path: Path, error_rate: Interval, title: str) -> None:
    """Draw the error rate on Lake's runs with its 95 % interval, beside the published ones.

    Args:
        path: PNG to write.
        error_rate: of an evaluation on the runs.
        title: protocol, data and learner.
    """
    rates = {**LAKE_RUNS, "this run": error_rate.mean}
    with picture(path, 7, 3, title) as figure:
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


def plot_comparison(path: Path, rows: Sequence[Compared], metric: str, title: str) -> None:
    """Draw the scores of compared learners with their 95 % intervals over episodes, and a stroke for each seed.

    Args:
        path: PNG to write.
        rows: of the comparison.
        metric: its name.
        title: data, protocol and episodes.
    """
    with picture(path, 7, 1.4 + 0.35 * len(rows), title) as figure:
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


def plot_forgetting(path: Path, curves: Mapping[str, np.ndarray], classes: int, title: str, measure: str) -> None:
    """Draw the score on the classes of the first task against the number of classes taught since.

    Args:
        path: PNG to write.
        curves: of each learner, `tasks`.
        classes: of a task.
        title: data, protocol and sequences.
        measure: what the score is: accuracy, or F1 of sentences.
    """
    with picture(path, 7, 4.5, title) as figure:
        axis = figure.subplots()
        for name, curve in curves.items():
            axis.plot(classes * np.arange(len(curve)), 100 * curve, marker=".", label=drawable(name, LONG_NAME))
        axis.set(xlabel="classes taught since", ylabel=f"{measure} on the first task, %", ylim=(0, 102))
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)


def plot_accuracy_matrices(path: Path, matrices: Mapping[str, np.ndarray], title: str) -> None:
    """Draw R of each learner, mean over sequences, as a heat map.

    Args:
        path: PNG to write.
        matrices: of each learner, `tasks x tasks`.
        title: data, protocol and sequences.
    """
    columns = min(4, len(matrices))
    rows = -(-len(matrices) // columns)
    with picture(path, 2.6 * columns + 1, 2.6 * rows + 0.5, title) as figure:
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


def plot_memory(path: Path, trace: Trace, labels: Tensor) -> None:
    """Draw what the memory did over one stream as heat maps: reads and writes, a panel a head, and usage.

    Args:
        path: PNG to write.
        trace: of a batch of which the first episode is drawn.
        labels: `batch x steps`, for the axis.
    """
    panels = [("read weights", weights) for weights in trace.read_weights[0]]
    if trace.write_weights is not None:
        panels += [("write weights", weights) for weights in trace.write_weights[0]]
    if trace.usage is not None:
        panels.append(("usage", trace.usage[0]))
    each = 3.2 if len(panels) < 3 else 2.2
    names = [name for name, _ in panels]
    with picture(path, 8, 1.5 + each * len(panels)) as figure:
        axes = figure.subplots(len(panels), 1, squeeze=False)
        for number, (axis, (name, weights)) in enumerate(zip(axes[:, 0], panels, strict=True)):
            highest = 1 if name != "usage" else max(1, float(weights.max()))
            drawn = weights.float().cpu().numpy().T
            image = axis.imshow(drawn, aspect="auto", cmap="magma", vmin=0, vmax=highest, interpolation="nearest")
            axis.figure.colorbar(image, ax=axis, shrink=0.8)
            axis.set_ylabel(trace.slot_label, fontsize=8)
            axis.set_xticks(range(len(weights)), [str(int(label)) for label in labels[0]], fontsize=6)
            head = f", head {names[: number + 1].count(name)}" if names.count(name) > 1 else ""
            axis.set_title(name + head, fontsize=9)
        axes[-1, 0].set_xlabel("step (the number is the class of its item)")


def plot_sequence(path: Path, sequences: Sequences, ones: Tensor, trace: Trace, title: str) -> None:
    """Draw one sequence as heat maps, a panel each: inputs, answers, what was answered, read weights of each head.

    Args:
        path: PNG to write.
        sequences: batch of which the first is drawn.
        ones: `batch x steps x bits`, probability of a 1.
        trace: of the same batch.
        title: what was evaluated.
    """
    steps = int(sequences.mask[0].sum())
    inputs, answers = sequences.inputs[0, :steps], sequences.answers[0, :steps]
    asked = answers != PADDING
    heads = enumerate(trace.read_weights[0], 1)
    panels = [
        ("input channel", inputs),
        ("bit asked for", answers.float().where(asked, math.nan)),
        ("bit answered", ones[0, :steps].where(asked, math.nan)),
        *((f"{trace.slot_label}, head {head}", weights[:steps]) for head, weights in heads),
    ]
    heights = [1.0, 1.0, 1.0] + [2.5] * (len(panels) - 3)
    with picture(path, 9, 1 + 1.3 * sum(heights), title) as figure:
        axes = figure.subplots(len(panels), 1, height_ratios=heights, sharex=True)
        for axis, (name, values) in zip(axes, panels, strict=True):
            drawn = values.float().cpu().numpy().T
            image = axis.imshow(drawn, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            axis.set_ylabel(name, fontsize=8)
            axis.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.colorbar(image, ax=list(axes), label="bit, probability of a 1, read weight", shrink=0.6)
        axes[-1].set_xlabel("step")


def plot_curves(path: Path, events: Sequence[Mapping[str, float | str | None]]) -> None:
    """Draw loss and accuracy over the training steps; validation on sentences is F1.

    Args:
        path: PNG to write.
        events: lines of `metrics.jsonl`.
    """
    train, validation = ([event for event in events if event["kind"] == kind] for kind in ("train", "validation"))
    chosen = "f1" if any("f1" in event for event in validation) else "accuracy"
    validation = [event for event in validation if chosen in event]
    label = {"f1": "validation, F1", "accuracy": "validation"}[chosen]
    with picture(path, 9, 3.5) as figure:
        left, right = figure.subplots(1, 2)
        left.plot(_curve(train, "step"), _curve(train, "loss"), linewidth=0.7)
        left.set(xlabel="step", ylabel="training loss, nats", yscale="log")
        left.yaxis.set_major_formatter(LogFormatter())  # matplotlib's own choice writes formulas
        left.yaxis.set_minor_formatter(LogFormatter())
        right.plot(_curve(train, "step"), 100 * _curve(train, "accuracy"), linewidth=0.7, label="training")
        right.plot(_curve(validation, "step"), 100 * _curve(validation, chosen), "o-", label=label)
        right.set(xlabel="step", ylabel="accuracy, %" if chosen == "accuracy" else "accuracy of words, F1, %")
        right.legend()


def _curve(events: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Values of events; a gap where the value was no finite number, which the record has as null."""
    return np.array([math.nan if event[name] is None else float(event[name]) for event in events])


def _first(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    real = labels >= 0
    return images[real][:MOST_DRAWN], labels[real][:MOST_DRAWN]


def _title(axis: Axes, label: int, answer: int | None, nth: int | None) -> None:
    if answer is None:
        axis.set_title(str(label), fontsize=8, color=GIVEN)
        return
    colour = RIGHT if answer == label else WRONG
    text = str(label) if answer == label else f"{answer}, not {label}"
    axis.set_title(text + (" (1st)" if nth == 1 else ""), fontsize=7, color=colour)
