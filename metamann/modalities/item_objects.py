"""Items of a fixed shape as Python objects: images, rows of features, and items of plug-ins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Examples
from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import DataError, excerpt
from metamann.learners.learner import Learner
from metamann.modalities.explanations import Explanation, read_examples
from metamann.modalities.task_objects import FOREIGN, Outline, Prediction, device_of, label_codes


class Reader(Protocol):
    """Turns one Python object into one item."""

    @property
    def kind(self) -> str:
        """The name of one item in messages."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an item."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of the numbers of an item."""

    def is_one(self, value: Any) -> bool:
        """Whether a value is one item, not a list of items."""

    def read(self, value: Any) -> Tensor:
        """The item; raises DataError with the fix if the value is no item."""

    def read_folder(self, path: Path) -> list[tuple[Tensor, str]]:
        """Items and labels of a folder; raises DataError if this kind of item has no folders."""


class ItemExample(NamedTuple):
    """One labelled item.

    Attributes:
        item: tensor of the reader's shape.
        label: its label.

    Examples:
        >>> ItemExample(Rows(2).read([0, 1]), "up").label
        'up'
    """

    item: Tensor
    label: str


class Rows:
    """Reads rows of features.

    Args:
        width: length of a row.

    Examples:
        >>> Rows(3).read([1, 2, 3])
        tensor([1., 2., 3.])
    """

    kind = "a row of numbers"
    dtype = torch.float32

    def __init__(self, width: int) -> None:
        self.shape = (width,)

    def is_one(self, value: Any) -> bool:
        """A list of numbers is one row, a list of lists several."""
        if isinstance(value, np.ndarray | Tensor):
            return value.ndim < 2
        return isinstance(value, Sequence) and (not value or isinstance(value[0], int | float | np.number))

    def read(self, value: Any) -> Tensor:
        """One row, float32.

        Raises:
            DataError: if the value is no row, has another width, or is not finite.
        """
        try:
            row = torch.as_tensor(np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, np.float32))
        except (TypeError, ValueError) as error:
            raise DataError(f"{excerpt(value)} is no row of numbers; give a list or a 1-D array.") from error
        if row.shape != self.shape:
            raise DataError(f"a row of shape {tuple(row.shape)} is not read; give {self.shape[0]} numbers a row.")
        if not bool(torch.isfinite(row).all()):
            raise DataError("a row holds numbers that are not finite; fill them in or leave the row out.")
        return row.clone()

    def read_folder(self, path: Path) -> list[tuple[Tensor, str]]:
        """Rows have no folders.

        Raises:
            DataError: always.
        """
        raise DataError(f"{excerpt(path)}: rows are given as arrays by label, not as a path.")


class ItemObjects:
    """Conversion of Python objects to items, and of answers to predictions; see `Objects`.

    Args:
        reader: reads one item.
        codes: label codes of the protocol.
        max_ways: number of classes of the largest episode in training.

    Examples:
        >>> objects = ItemObjects(Rows(2), LabelCodes(), max_ways=5)
        >>> objects.labels(objects.read_labelled({"up": [[0, 1]], "right": [[1, 0]]}))
        ('up', 'right')
    """

    chunk = 128

    def __init__(self, reader: Reader, codes: LabelCodes, max_ways: int) -> None:
        self.reader, self.codes, self.max_ways = reader, codes, max_ways

    def read_labelled(self, objects: Any) -> list[ItemExample]:
        """Examples of a dict `{label: items}`, of pairs `(item, label)`, or of a folder with one folder a label."""
        if isinstance(objects, str | Path):
            path = Path(objects).expanduser()
            if not path.is_dir():
                raise DataError(f"{excerpt(path)} is no folder; give one that holds a folder for each label.")
            return [ItemExample(*pair) for pair in self.reader.read_folder(path)]
        if isinstance(objects, Mapping):
            return [
                ItemExample(self.reader.read(item), _label(label))
                for label, items in objects.items()
                for item in self._items(label, items)
            ]
        if not isinstance(objects, Iterable):
            raise DataError("examples must be {label: [item, ...]}, pairs (item, label), or a folder.")
        examples = []
        for pair in objects:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise DataError("an example is a pair (item, label); or give {label: [item, ...]}.")
            examples.append(ItemExample(self.reader.read(pair[0]), _label(pair[1])))
        return examples

    def _items(self, label: Any, items: Any) -> list[Any]:
        if self.reader.is_one(items) and not (isinstance(items, Sequence) and len(items) == 0):
            return [items]
        if not isinstance(items, Iterable):
            raise DataError(f"the label {excerpt(label)} has {excerpt(items)}; give it a list of items.")
        listed = list(items)
        if not listed:
            raise DataError(f"the label {excerpt(label)} has no example; give it one, or leave it out.")
        return listed

    def labels(self, examples: Sequence[ItemExample]) -> tuple[str, ...]:
        """The labels in the order in which they first appear."""
        return tuple(dict.fromkeys(example.label for example in examples))

    def without(self, examples: Sequence[ItemExample], label: str) -> list[ItemExample]:
        """The examples of the other labels."""
        return [example for example in examples if example.label != label]

    def outline(self, example: ItemExample) -> Outline:
        """The label of an example, which takes one position."""
        return Outline((example.label,), 1)

    def is_one(self, queries: Any) -> bool:
        """Whether the queries are one item; any other iterable is a list of items."""
        return self.reader.is_one(queries) or not isinstance(queries, Iterable)

    def read_query(self, query: Any) -> Tensor:
        """One item."""
        return self.reader.read(query)

    def support(self, examples: Sequence[ItemExample], labels: Sequence[str]) -> Examples:
        """A batch of one support set."""
        numbers = {label: number for number, label in enumerate(labels)}
        targets = torch.tensor([[numbers[example.label] for example in examples]])
        return Examples(self.inputs([example.item for example in examples]), targets)

    def classes(self, labels: Sequence[str]) -> Classes:
        """The classes of a batch of one task."""
        return Classes(torch.tensor([len(labels)]), label_codes(self.codes, len(labels), self.max_ways))

    def inputs(self, queries: Sequence[Tensor]) -> Tensor:
        """A batch of one, `1 x items x ...`."""
        return torch.stack(list(queries)).unsqueeze(0)

    def answers(
        self, learner: Learner[Any], state: Any, queries: Sequence[Tensor], labels: Sequence[str], temperature: float
    ) -> list[Prediction]:
        """A prediction for each item; the temperature changes the scores and not the label."""
        inputs = self.inputs(queries).to(device_of(learner))
        log_probs = learner.predict(state, inputs)[0, :, : len(labels)].double()
        chosen = learner.answer(state, inputs)[0].tolist()
        probabilities = torch.softmax(log_probs / temperature, -1).tolist()
        return [
            Prediction(labels[number], row[number], dict(zip(labels, row, strict=True)))
            for number, row in zip(chosen, probabilities, strict=True)
        ]

    def explain(
        self, learner: Learner[Any], state: Any, query: Tensor, answer: Prediction, examples: Sequence[ItemExample]
    ) -> Explanation | None:
        """The examples sorted by weight; None if the learner does not report weights."""
        weights = learner.read_weights(state, self.inputs([query]).to(device_of(learner)))
        if weights is None:
            return None
        if weights.shape[-1] != len(examples):
            raise DataError(FOREIGN)
        labels, items = [example.label for example in examples], [example.item for example in examples]
        return Explanation(answer, read_examples(weights[0, 0].cpu(), labels, items), query)

    def above(self, answer: Prediction, threshold: float) -> Prediction | None:
        """The prediction; None, which stands for none of the labels, if the score is below the threshold."""
        return answer if answer.score >= threshold else None

    def blank(self, size: int) -> Examples:
        """A support set of `size` items of zeros."""
        items = torch.zeros(1, size, *self.reader.shape, dtype=self.reader.dtype)
        return Examples(items, torch.zeros(1, size, dtype=torch.int64))

    def pack(self, examples: Sequence[ItemExample], labels: Sequence[str]) -> dict[str, Tensor]:
        """Items, `items x ...`, and label numbers, `items`."""
        support = self.support(examples, labels)
        return {"items": support.inputs[0], "labels": support.labels[0]}

    def unpack(self, tensors: dict[str, Tensor], labels: Sequence[str]) -> list[ItemExample]:
        """The examples of `pack`.

        Raises:
            ValueError: if the tensors have another type or shape.
        """
        items, numbers = tensors.get("items"), tensors.get("labels")
        if len(tensors) != 2 or items is None or numbers is None:
            raise ValueError("it has no items and labels")
        if items.dtype != self.reader.dtype or tuple(items.shape[1:]) != self.reader.shape:
            raise ValueError(f"its items are {items.dtype} of shape {tuple(items.shape[1:])}")
        if numbers.dtype != torch.int64 or numbers.shape != items.shape[:1] or not len(numbers):
            raise ValueError("its labels do not fit its items")
        if int(numbers.min()) < 0 or int(numbers.max()) >= len(labels):
            raise ValueError("its items have labels without a name")
        return [ItemExample(item, labels[number]) for item, number in zip(items, numbers.tolist(), strict=True)]


def _label(label: Any) -> str:
    if not isinstance(label, str) or not label:
        raise DataError(f"the label {excerpt(repr(label))} is no name; give text that is not empty.")
    return label
