"""Figures of an evaluation on sentences: confusion of types, F1 by the size of the support."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metamann.episodes.sentences.tagging import TagScheme
from metamann.evaluation.spans import span_intervals
from metamann.reports.pictures import SMALL, WIDTH, drawable, new_figure

MOST_TYPES = 20  # of a confusion matrix
MOST_GROUPS = 8  # of supports by size


def plot_confusion(confusion: np.ndarray, types: Sequence[str], title: str) -> Figure:
    """Plot the confusion matrix of the types, in percent of the true entities of a row.

    Args:
        confusion: `types + 1 x types + 1`, see `type_confusion`.
        types: names of the types.
        title: of the evaluation.
    """
    most = np.argsort(-confusion[:-1].sum(1), kind="stable")[:MOST_TYPES]
    most = most[confusion[most].sum(1) > 0]
    columns = [*most, len(types)]
    shares = 100 * confusion[np.ix_(most, columns)] / np.maximum(confusion[most].sum(1, keepdims=True), 1)
    names = [drawable(types[number]) for number in most]
    figure = new_figure(WIDTH, min(WIDTH, 0.42 * len(columns) + 2.5), title)
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="magma", vmin=0, vmax=100)
    figure.colorbar(image, ax=axis, shrink=0.7, label="% of the true entities")
    axis.set_yticks(range(len(names)), names, fontsize=SMALL)
    axis.set_xticks(range(len(columns)), [*names, "not found"], fontsize=SMALL, rotation=90)
    axis.set(ylabel="true type", xlabel="answered type")
    return figure


def plot_support_sizes(counts: np.ndarray, sizes: np.ndarray, scheme: TagScheme, title: str) -> Figure:
    """Plot pooled F1 against the number of sentences in the support, with its 95 % interval.

    Args:
        counts: `episodes x COUNTED`.
        sizes: `episodes`, number of sentences of each support, at least two distinct ones.
        scheme: of the tags.
        title: of the evaluation.
    """
    groups = np.unique(sizes)
    if len(groups) > MOST_GROUPS:
        groups = np.unique(np.quantile(sizes, np.arange(MOST_GROUPS) / MOST_GROUPS).astype(int))
    group_of = np.searchsorted(groups, sizes, side="right")
    members = [group_of == group for group in np.unique(group_of)]
    places = [sizes[rows].mean() for rows in members]
    scores = [span_intervals(counts[rows], scheme)["f1"] for rows in members]
    means = np.array([100 * score.mean for score in scores])
    ends = np.array([[100 * score.low, 100 * score.high] for score in scores]).T
    figure = new_figure(WIDTH, 4, title)
    axis = figure.subplots()
    axis.errorbar(places, means, yerr=np.abs(ends - means), marker="o", capsize=3, color="black")
    axis.set(xlabel="sentences in the support", ylabel="F1, %", ylim=(0, 100))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    return figure
