"""Python objects of adapted tasks: the interface that a modality provides, and the answers that users receive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Examples
from metamann.episodes.items.protocols import LabelCodes
from metamann.learners.learner import Learner
from metamann.modalities.explanations import Explanation, SentenceExplanation

FOREIGN = "the memory of this task does not hold its examples one for one; adapt it to them anew."
CODES_SEED = 0  # of random label codes, which are the same in every task of a model


class Prediction(NamedTuple):
    """The answer for one item.

    Attributes:
        label: the predicted label.
        score: its probability.
        scores: probability of every label of the task.

    Examples:
        >>> prediction = Prediction("cat", 0.9, {"cat": 0.9, "dog": 0.1})
        >>> prediction.label, prediction.scores["dog"]
        ('cat', 0.1)
    """

    label: str
    score: float
    scores: dict[str, float]


class Entity(NamedTuple):
    """A predicted entity of a text.

    Attributes:
        start: its first character.
        end: one past its last character.
        text: its text.
        label: its type.
        score: geometric mean of the probabilities of its tags.

    Examples:
        >>> entity = Entity(0, 3, "Ada", "person", 0.97)
        >>> "Ada wrote code"[entity.start : entity.end]
        'Ada'
    """

    start: int
    end: int
    text: str
    label: str
    score: float


class Outline(NamedTuple):
    """Labels and size of an example in a memory, which are stored even if the example is not.

    Attributes:
        labels: its labels.
        positions: number of positions that it takes in a memory: 1 for an item, the number of words for a sentence.

    Examples:
        >>> from metamann.modalities.labelled_texts import of_marks
        >>> from metamann.modalities.sentence_objects import SentenceObjects
        >>> SentenceObjects(LabelCodes(), max_ways=5).outline(of_marks("Ada wrote code", [(0, 3, "person")]))
        Outline(labels=('person',), positions=3)
    """

    labels: tuple[str, ...]
    positions: int


class Objects(Protocol):
    """Python objects of one kind of input.

    The types of examples and queries are private to a modality.
    """

    chunk: int
    """Number of queries that are answered in one batch."""

    def read_labelled(self, objects: Any) -> list[Any]:
        """Examples of labelled objects; raises DataError with the fix if they are not valid."""

    def labels(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """Names of the labels, in the order in which they first appear."""

    def without(self, examples: Sequence[Any], label: str) -> list[Any]:
        """The examples without everything that has this label."""

    def outline(self, example: Any) -> Outline:
        """Labels and size of an example."""

    def is_one(self, queries: Any) -> bool:
        """Whether the queries are a single one, not a list."""

    def read_query(self, query: Any) -> Any:
        """One query; raises DataError with the fix if it is not valid."""

    def support(self, examples: Sequence[Any], labels: Sequence[str]) -> Examples:
        """A batch of one support set."""

    def classes(self, labels: Sequence[str]) -> Classes:
        """The classes of a batch of one task with these labels."""

    def inputs(self, queries: Sequence[Any]) -> Any:
        """The inputs of a learner for these queries, a batch of one."""

    def answers(
        self, learner: Learner[Any], state: Any, queries: Sequence[Any], labels: Sequence[str], temperature: float
    ) -> list[Any]:
        """The answer for each query."""

    def explain(
        self, learner: Learner[Any], state: Any, query: Any, answer: Any, examples: Sequence[Any]
    ) -> Explanation | SentenceExplanation | None:
        """The examples from which the answer was read; None if the learner does not report weights.

        Raises:
            DataError: if the examples are not those that were written into the state.
        """

    def above(self, answer: Any, threshold: float) -> Any:
        """The answer, without parts whose score is below the threshold."""

    def blank(self, size: int) -> Examples:
        """A support set of `size` blank positions, from which the shapes of a state are derived."""

    def pack(self, examples: Sequence[Any], labels: Sequence[str]) -> dict[str, Tensor]:
        """Examples as tensors by name."""

    def unpack(self, tensors: dict[str, Tensor], labels: Sequence[str]) -> list[Any]:
        """Examples of tensors by name, which are checked; raises ValueError if they are not valid."""


def device_of(learner: Learner[Any]) -> torch.device:
    """The device of its weights."""
    return next((tensor.device for tensor in learner.state_dict().values()), torch.device("cpu"))


def label_codes(codes: LabelCodes, classes: int, most: int) -> Tensor:
    """Codes of a batch of one task, `1 x classes x width`, as they are in training.

    Args:
        codes: label codes of the protocol.
        classes: number of classes of the task.
        most: number of classes of the largest episode in training; for more classes, one-hot codes become wider.
    """
    if codes.kind == "onehot" and codes.width is not None and classes > codes.width:
        codes = LabelCodes("onehot")
    return torch.from_numpy(codes.draw(max(classes, most), np.random.default_rng(CODES_SEED))).unsqueeze(0)
