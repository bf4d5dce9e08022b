"""Figures of single episodes: items with predictions, reads and writes of the memory, a sequence."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from metamann.episodes.episode import PADDING, Episode, Stream, instances
from metamann.episodes.sequences.source import Sequences
from metamann.memory.interface import Trace
from metamann.reports.pictures import SMALL, WIDTH, new_figure

CORRECT, WRONG, NEUTRAL = "#1a7f37", "#cf222e", "#57606a"
COLUMNS = 8
CELL = 1.35  # side of the place of an image, in sides of the image
USAGE = "usage"
MOST_ITEMS = 50
MOST_LABELS = 50  # of steps; more do not fit on the axis


def plot_episode(episode: Episode | Stream, predicted: Tensor, title: str) -> Figure:
    """Plot the first episode of a batch: the support, and the query with predicted and true labels.

    Args:
        episode: batch of which the first is plotted, at most 50 items of each set.
        predicted: `batch x targets`, class numbers.
        title: data set, protocol and episodes.
    """
    sets: list[tuple[str, Tensor, Tensor, Tensor | None]]
    if isinstance(episode, Stream):
        sets = [("stream, in its order", episode.inputs[0], episode.labels[0], predicted[0])]
    else:
        sets = [
            ("support", episode.support.inputs[0], episode.support.labels[0], None),
            ("query", episode.query.inputs[0], episode.query.labels[0], predicted[0]),
        ]
    panels = [(name, _first(images, labels), answers) for name, images, labels, answers in sets]
    rows = [-(-len(labels) // COLUMNS) for _, (_, labels), _ in panels]
    figure = new_figure(WIDTH, sum(rows) * WIDTH / COLUMNS + 0.3 * len(rows) + 0.2, title)
    axes = figure.subplots(len(panels), 1, height_ratios=rows, squeeze=False)[:, 0]
    for axis, (name, (images, labels), answers) in zip(axes, panels, strict=True):
        axis.axis("off")
        axis.set_title(name, fontsize=9)
        height, width = (round(CELL * side) for side in images.shape[-2:])
        axis.imshow(_contact_sheet(images[:, 0].numpy(), height, width), cmap="gray", vmin=0, vmax=255)
        which = instances(labels.unsqueeze(0))[0] if answers is not None and isinstance(episode, Stream) else None
        for position, label in enumerate(labels.tolist()):
            nth = None if which is None else int(which[position])
            row, column = divmod(position, COLUMNS)
            over = (column + 0.5) * width, (row + 1) * height - images.shape[-2]
            _caption(axis, over, label, None if answers is None else int(answers[position]), nth)
    return figure


def _contact_sheet(images: np.ndarray, tall: int, wide: int) -> np.ndarray:
    """Ink on paper, `COLUMNS` in a row; each at the bottom of a cell, which has room for a caption above it."""
    count, height, width = images.shape
    rows, left = -(-count // COLUMNS), (wide - width) // 2
    cells = np.zeros((rows * COLUMNS, tall, wide), images.dtype)
    cells[:count, tall - height :, left : left + width] = images
    sheet: np.ndarray = 255 - cells.reshape(rows, COLUMNS, tall, wide).swapaxes(1, 2)
    return sheet.reshape(rows * tall, COLUMNS * wide)


def plot_memory(trace: Trace, labels: Tensor, title: str) -> Figure:
    """Plot the memory over one stream as heat maps: reads and writes, one panel for each head, and usage.

    Args:
        trace: of a batch of which the first episode is plotted.
        labels: `batch x steps`, for the axis.
        title: data set and protocol.
    """
    panels = [("read weights", weights) for weights in trace.read_weights[0]]
    if trace.write_weights is not None:
        panels += [("write weights", weights) for weights in trace.write_weights[0]]
    if trace.usage is not None:
        panels.append((USAGE, trace.usage[0]))
    height = 3.2 if len(panels) < 3 else 2.2
    names = [name for name, _ in panels]
    figure = new_figure(WIDTH, 1.5 + height * len(panels), title)
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)
    scales: dict[float, tuple[AxesImage, list[Axes]]] = {}  # panels by the highest value of their colours
    for number, (axis, (name, weights)) in enumerate(zip(axes[:, 0], panels, strict=True)):
        highest = 1 if name != USAGE else max(1, float(weights.max()))
        heat_map = weights.float().cpu().numpy().T
        image = axis.imshow(heat_map, aspect="auto", cmap="magma", vmin=0, vmax=highest, interpolation="nearest")
        scales.setdefault(highest, (image, []))[1].append(axis)
        axis.set_ylabel(trace.slot_label, fontsize=SMALL)
        head = f", head {names[: number + 1].count(name)}" if names.count(name) > 1 else ""
        axis.set_title(name + head, fontsize=9)
    for image, sharing in scales.values():
        figure.colorbar(image, ax=sharing, shrink=0.8 / len(sharing))
    steps = len(panels[0][1])
    stride = -(-steps // MOST_LABELS)
    classes = [str(int(label)) for label in labels[0][::stride]]
    axes[-1, 0].set_xticks(range(0, steps, stride), classes, fontsize=SMALL)
    axes[-1, 0].set_xlabel("step (the number is the class of its item)")
    return figure


def plot_sequence(sequences: Sequences, ones: Tensor, trace: Trace, title: str) -> Figure:
    """Plot one sequence as heat maps: inputs, targets, answers, and the read weights of each head.

    Args:
        sequences: batch of which the first is plotted.
        ones: `batch x steps x bits`, probability of a 1.
        trace: of the same batch.
        title: of the evaluation.
    """
    steps = int(sequences.mask[0].sum())
    inputs, targets = sequences.inputs[0, :steps], sequences.answers[0, :steps]
    mask = targets != PADDING
    heads = enumerate(trace.read_weights[0], 1)
    panels = [
        ("input channel", inputs),
        ("target bit", targets.float().where(mask, math.nan)),
        ("answered bit", ones[0, :steps].where(mask, math.nan)),
        *((f"{trace.slot_label}, head {head}", weights[:steps]) for head, weights in heads),
    ]
    heights = [1.0, 1.0, 1.0] + [2.5] * (len(panels) - 3)
    figure = new_figure(WIDTH, 1 + 1.3 * sum(heights), title)
    axes = figure.subplots(len(panels), 1, height_ratios=heights, sharex=True)
    for axis, (name, values) in zip(axes, panels, strict=True):
        heat_map = values.float().cpu().numpy().T
        image = axis.imshow(heat_map, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
        axis.set_ylabel(name, fontsize=SMALL)
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=list(axes), label="bit, probability of a 1, read weight", shrink=0.6)
    axes[-1].set_xlabel("step")
    return figure


def _first(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    mask = labels >= 0
    return images[mask][:MOST_ITEMS], labels[mask][:MOST_ITEMS]


def _caption(axis: Axes, place: tuple[float, float], label: int, answer: int | None, nth: int | None) -> None:
    """The label of an image, over it; of a query, with the answer."""
    colour = NEUTRAL if answer is None else CORRECT if answer == label else WRONG
    text = str(label) if answer in (None, label) else f"{answer}, not {label}"
    text += " (1st)" if nth == 1 else ""
    axis.text(*place, text, fontsize=SMALL, color=colour, ha="center", va="bottom")
