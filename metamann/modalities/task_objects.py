"""What a kind of input answers for adapted tasks: Python objects become examples, answers become Python objects."""

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
CODES_SEED = 0  # of random label codes: every task of a model has the same ones


class Prediction(NamedTuple):
    """The answer for one item.

    Attributes:
        label: its name.
        score: its probability.
        scores: probability of every label of the task.
    """

    label: str
    score: float
    scores: dict[str, float]


class Entity(NamedTuple):
    """An entity that was found in a text.

    Attributes:
        start: its first character.
        end: one past its last character.
        text: what stands there.
        label: its type.
        score: geometric mean of the probabilities that its words have this tag.
    """

    start: int
    end: int
    text: str
    label: str
    score: float


class Outline(NamedTuple):
    """What is known of an example that was learned, whether it is kept or not.

    Attributes:
        labels: that it shows.
        positions: that it has in a memory: 1 for an item, its words for a sentence.
    """

    labels: tuple[str, ...]
    positions: int


class Objects(Protocol):
    """Python objects of one kind of input.

    An example and a query are whatever the kind makes of an object; nobody else looks into them.
    """

    chunk: int
    """Queries that are answered at once."""

    def read_labelled(self, objects: Any) -> list[Any]:
        """Examples, of whatever a user calls labelled objects; DataError names the fix where they are none."""

    def labels(self, examples: Sequence[Any]) -> tuple[str, ...]:
        """Names of the labels, in the order in which they first appear."""

    def without(self, examples: Sequence[Any], label: str) -> list[Any]:
        """The examples with all that has this label taken out."""

    def outline(self, example: Any) -> Outline:
        """What a task knows of an example that it does not keep."""

    def is_one(self, queries: Any) -> bool:
        """Whether this is one query, not several."""

    def read_query(self, query: Any) -> Any:
        """One query; DataError names the fix where it is none."""

    def support(self, examples: Sequence[Any], labels: Sequence[str]) -> Examples:
        """A batch of one support set."""

    def classes(self, labels: Sequence[str]) -> Classes:
        """A batch of one: the classes of a task with these labels."""

    def inputs(self, queries: Sequence[Any]) -> Any:
        """A batch of one: what a learner reads of these queries."""

    def answers(
        self, learner: Learner[Any], state: Any, queries: Sequence[Any], labels: Sequence[str], temperature: float
    ) -> list[Any]:
        """The answer for each query."""

    def explain(
        self, learner: Learner[Any], state: Any, query: Any, answer: Any, examples: Sequence[Any]
    ) -> Explanation | SentenceExplanation | None:
        """What the answer for one query comes from; None where the learner cannot say.

        Raises:
            DataError: if the examples are not those that the state was made of.
        """

    def above(self, answer: Any, threshold: float) -> Any:
        """The answer, without what scores less than the threshold."""

    def blank(self, size: int) -> Examples:
        """A support set of so many positions, of no meaning: it shows how a state is built."""

    def pack(self, examples: Sequence[Any], labels: Sequence[str]) -> dict[str, Tensor]:
        """Examples as tensors by name."""

    def unpack(self, tensors: dict[str, Tensor], labels: Sequence[str]) -> list[Any]:
        """Examples from tensors by name; every part is checked, and ValueError says what is wrong."""


def device_of(learner: Learner[Any]) -> torch.device:
    """That its weights are on."""
    return next((tensor.device for tensor in learner.state_dict().values()), torch.device("cpu"))


def label_codes(codes: LabelCodes, classes: int, most: int) -> Tensor:
    """Codes of a batch of one task, `1 x classes x width`, as they are in training.

    Args:
        codes: of the protocol.
        classes: that the task has.
        most: classes of the largest episode in training; beyond it one-hot codes become wider.
    """
    if codes.kind == "onehot" and codes.width is not None and classes > codes.width:
        codes = LabelCodes("onehot")
    return torch.from_numpy(codes.draw(max(classes, most), np.random.default_rng(CODES_SEED))).unsqueeze(0)
