"""What an answer comes from, for people: the examples, or the words of examples, that were read for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from torch import Tensor

MOST_DRAWN = 8
MOST_WORDS = 3  # of the support, that are named for each word of a text


class ReadExample(NamedTuple):
    """An example that was read.

    Attributes:
        number: in `Task.examples`.
        label: its name.
        weight: share of the read; what is missing to 1 was read of no example.
        item: the example as the model sees it.
    """

    number: int
    label: str
    weight: float
    item: Tensor


class Explanation(NamedTuple):
    """What the answer for an item comes from.

    Attributes:
        answer: of the task.
        examples: that were read, the highest weight first.
        query: the item as the model sees it.
    """

    answer: Any
    examples: tuple[ReadExample, ...]
    query: Tensor

    def plot(self) -> Figure:
        """The query, and behind it the examples of the highest weights: pictures as they are seen, rows as bars."""
        shown = self.examples[:MOST_DRAWN]
        figure = Figure(figsize=(1.6 * (len(shown) + 1), 2.2), layout="constrained")
        first, *others = figure.subplots(1, len(shown) + 1, squeeze=False)[0]
        _draw(first, self.query, f"asked\n{self.answer.label} {self.answer.score:.0%}")
        for axes, example in zip(others, shown, strict=True):
            _draw(axes, example.item, f"{example.label}\n{example.weight:.0%}")
        return figure


class ReadWord(NamedTuple):
    """A word of an example that was read.

    Attributes:
        number: of the example in `Task.examples`.
        word: itself.
        label: of the entity that it is in; None outside of entities.
        weight: share of the read; what is missing to 1 was read of no word.
    """

    number: int
    word: str
    label: str | None
    weight: float


class WordExplanation(NamedTuple):
    """What the answer for one word comes from.

    Attributes:
        word: of the text that was asked.
        label: of the entity that it was found in; None outside of entities.
        read: words of the examples, the highest weight first, without those of no weight.
    """

    word: str
    label: str | None
    read: tuple[ReadWord, ...]


class SentenceExplanation(NamedTuple):
    """What the entities of a text come from.

    Attributes:
        answer: of the task, the entities.
        words: of the text, in its order.
    """

    answer: list[Any]
    words: tuple[WordExplanation, ...]

    def plot(self) -> Figure:
        """A table: a row for each word, with the words of the examples that were read most for it."""
        rows = [[each.word, each.label or "", _named(each.read)] for each in self.words]
        header = ["word", "found", "read of the examples"]
        longest = [max(len(row[column]) for row in [header, *rows]) + 2 for column in range(3)]
        figure = Figure(figsize=(0.1 * sum(longest), 0.28 * (len(rows) + 1)))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        table = axes.table(
            [header, *rows],
            cellLoc="left",
            colWidths=[width / sum(longest) for width in longest],
            bbox=Bbox.unit(),
        )
        table.auto_set_font_size(False)
        table.set_fontsize(9)
        for (row, _), cell in table.get_celld().items():
            cell.set_edgecolor("0.85")
            cell.PAD = 0.04
            bold = row == 0 or self.words[row - 1].label is not None
            cell.set_text_props(weight="bold" if bold else "normal", parse_math=False)
        return figure


def _named(read: tuple[ReadWord, ...]) -> str:
    """The words of the highest weights, without those that round to nothing."""
    shown = [each for each in read[:MOST_WORDS] if round(100 * each.weight) > 0]
    return ", ".join(f"{each.word} ({each.label or 'no entity'}) {each.weight:.0%}" for each in shown)


def read_examples(weights: Tensor, labels: list[str], items: list[Tensor]) -> tuple[ReadExample, ...]:
    """Examples by their weights, the highest first; of equal ones the first."""
    order = weights.argsort(descending=True, stable=True).tolist()
    return tuple(ReadExample(number, labels[number], float(weights[number]), items[number]) for number in order)


def _draw(axes: Axes, item: Tensor, title: str) -> None:
    if item.dim() == 3:  # channels x height x width
        axes.imshow((item[0] if len(item) == 1 else item.movedim(0, -1)).numpy(), cmap="gray_r")
    else:
        axes.bar(range(item.numel()), item.flatten().to(torch.float32).numpy())
        axes.set_xlim(-0.5, item.numel() - 0.5)
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.set_axis_off()
