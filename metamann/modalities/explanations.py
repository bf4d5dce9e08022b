"""Explanations of answers: the examples, or the words of examples, that were read for an answer."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from torch import Tensor

MOST_DRAWN = 8
MOST_WORDS = 3  # words of the support that the table names for each word of a text


class ReadExample(NamedTuple):
    """An example that was read.

    Attributes:
        number: its index in `Task.examples`.
        label: its label.
        weight: its share of the read; the weights of all examples may sum to less than 1.
        item: the example as the model sees it.

    Examples:
        >>> items = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
        >>> read_examples(torch.tensor([0.2, 0.8]), ["right", "up"], items)[0].label
        'up'
    """

    number: int
    label: str
    weight: float
    item: Tensor


class Explanation(NamedTuple):
    """The examples from which the answer for an item was read.

    Attributes:
        answer: prediction of the task.
        examples: all examples, the highest weight first.
        query: the item as the model sees it.

    Examples:
        >>> from metamann.application.model import Model
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.episodes.items.protocols import LabelCodes
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.nearest import NearestMemory
        >>> from metamann.modalities.item_objects import ItemObjects, Rows
        >>> learner = MANN(IdentityEncoder(2), NearestMemory(features=2, code_width=5), code_width=5)
        >>> model = Model(learner, ItemObjects(Rows(2), LabelCodes(), max_ways=5))
        >>> explanation = model.adapt({"up": [[0.0, 1.0]], "right": [[1.0, 0.0]]}).explain([0.1, 0.9])
        >>> [example.label for example in explanation.examples]
        ['up', 'right']
    """

    answer: Any
    examples: tuple[ReadExample, ...]
    query: Tensor

    def plot(self) -> Figure:
        """The query, followed by the examples of the highest weights: images as the model sees them, rows as bars."""
        examples = self.examples[:MOST_DRAWN]
        figure = Figure(figsize=(1.6 * (len(examples) + 1), 2.2), layout="constrained")
        first, *others = figure.subplots(1, len(examples) + 1, squeeze=False)[0]
        _draw(first, self.query, f"asked\n{self.answer.label} {self.answer.score:.0%}")
        for axes, example in zip(others, examples, strict=True):
            _draw(axes, example.item, f"{example.label}\n{example.weight:.0%}")
        return figure


class ReadWord(NamedTuple):
    """A word of an example that was read.

    Attributes:
        number: index of its example in `Task.examples`.
        word: the word.
        label: label of the entity that contains it; None outside of entities.
        weight: its share of the read; the weights of all words may sum to less than 1.
    """

    number: int
    word: str
    label: str | None
    weight: float


class WordExplanation(NamedTuple):
    """The words from which the answer for one word was read.

    Attributes:
        word: of the query.
        label: label of the predicted entity that contains it; None outside of entities.
        read: words of the examples with a positive weight, the highest first.
    """

    word: str
    label: str | None
    read: tuple[ReadWord, ...]


class SentenceExplanation(NamedTuple):
    """The words from which the entities of a text were read.

    Attributes:
        answer: entities that the task predicts.
        words: words of the text, in order.

    Examples:
        >>> from metamann.application.model import Model
        >>> from metamann.encoders.spelling import SpellingEncoder
        >>> from metamann.episodes.items.protocols import LabelCodes
        >>> from metamann.learners.sentence_mann import SentenceMANN
        >>> from metamann.memory.pairs.nearest import NearestMemory
        >>> from metamann.modalities.sentence_objects import SentenceObjects
        >>> encoder = SpellingEncoder()
        >>> learner = SentenceMANN(encoder, NearestMemory(encoder.features, code_width=6), code_width=6)
        >>> model = Model(learner, SentenceObjects(LabelCodes(), max_ways=5))
        >>> explanation = model.adapt([("Ada wrote code", [(0, 3, "person")])]).explain("code of Ada")
        >>> [(word.word, word.label) for word in explanation.words]
        [('code', None), ('of', None), ('Ada', 'person')]
    """

    answer: list[Any]
    words: tuple[WordExplanation, ...]

    def plot(self) -> Figure:
        """A table with a row for each word, which names the words of the examples with the highest weights."""
        rows = [[word.word, word.label or "", _summary(word.read)] for word in self.words]
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


def _summary(read: tuple[ReadWord, ...]) -> str:
    """The words of the highest weights, without those that round to 0 %."""
    words = [word for word in read[:MOST_WORDS] if round(100 * word.weight) > 0]
    return ", ".join(f"{word.word} ({word.label or 'no entity'}) {word.weight:.0%}" for word in words)


def read_examples(weights: Tensor, labels: list[str], items: list[Tensor]) -> tuple[ReadExample, ...]:
    """Examples sorted by weight, the highest first; examples of equal weight keep their order."""
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
