"""Pictures of an evaluation on sentences: confusion of types, F1 by the size of the support."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metamann.episodes.sentences.tagging import TagScheme
from metamann.evaluation.spans import span_intervals
from metamann.reports.pictures import drawable, new_figure

MOST_CONFUSED = 20  # types that are drawn
MOST_GROUPS = 8  # of supports by size


def plot_confusion(confusion: np.ndarray, types: Sequence[str], title: str) -> Figure:
    """Draw which types are taken for which, in percent of the true entities of a row.

    Args:
        confusion: `types + 1 x types + 1`, see `type_confusion`.
        types: their names.
        title: what was evaluated.
    """
    most = np.argsort(-confusion[:-1].sum(1), kind="stable")[:MOST_CONFUSED]
    most = most[confusion[most].sum(1) > 0]
    columns = [*most, len(types)]
    drawn = confusion[np.ix_(most, columns)]
    shares = 100 * drawn / np.maximum(confusion[most].sum(1, keepdims=True), 1)
    side = max(4.5, 0.42 * len(columns) + 2.5)
    names = [drawable(types[number]) for number in most]
    figure = new_figure(side + 1, side, title)
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="magma", vmin=0, vmax=100)
    figure.colorbar(image, ax=axis, shrink=0.7, label="% of the true entities")
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_xticks(range(len(columns)), [*names, "not found"], fontsize=7, rotation=90)
    axis.set(ylabel="true type", xlabel="answered type")
    return figure


def plot_support_sizes(counts: np.ndarray, sizes: np.ndarray, scheme: TagScheme, title: str) -> Figure:
    """Draw pooled F1 by the number of sentences in the support, with its 95 % interval.

    Args:
        counts: `episodes x COUNTED`.
        sizes: `episodes`, sentences of each support, not all the same.
        scheme: of the tags.
        title: what was evaluated.
    """
    groups = np.unique(sizes)
    if len(groups) > MOST_GROUPS:
        groups = np.unique(np.quantile(sizes, np.arange(MOST_GROUPS) / MOST_GROUPS).astype(int))
    group_of = np.searchsorted(groups, sizes, side="right")
    filled = [group_of == each for each in np.unique(group_of)]
    found = [(sizes[where].mean(), span_intervals(counts[where], scheme)["f1"]) for where in filled]
    means = np.array([100 * interval.mean for _, interval in found])
    ends = np.array([[100 * interval.low, 100 * interval.high] for _, interval in found]).T
    figure = new_figure(6, 4, title)
    axis = figure.subplots()
    places, errors = [place for place, _ in found], np.abs(ends - means)
    axis.errorbar(places, means, yerr=errors, marker="o", capsize=3, color="black")
    axis.set(xlabel="sentences in the support", ylabel="F1, %", ylim=(0, 100))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    return figure
