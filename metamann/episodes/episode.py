"""What a learner sees of a task: support and query sets, or an online stream; always a batch of them.

The leading axis is the episode. Labels number the classes of this episode only, at random; -100 is padding. An image
is one labelled position, a sentence has one position for each token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metamann.episodes.text import Text

PADDING = -100


class Examples(NamedTuple):
    """Labelled items of a batch of episodes: images or sentences.

    Attributes:
        inputs: images, `batch x items x channels x height x width`, uint8; or the text of sentences.
        labels: of images, `batch x items`, class numbers of the episode; of sentences, `batch x sentences x length`,
            tag numbers of the episode. `PADDING` where there is no item, or no word.

    Examples:
        >>> images = torch.zeros(1, 3, 1, 28, 28, dtype=torch.uint8)  # one episode of 3 images
        >>> examples = Examples(images, torch.tensor([[0, 1, 0]]))
        >>> examples.part(0, 2).labels
        tensor([[0, 1]])
    """

    inputs: Any  # a tensor, or `Text`
    labels: Tensor

    def to(self, device: torch.device) -> Examples:
        """The same examples on another device."""
        return Examples(self.inputs.to(device), self.labels.to(device))

    def part(self, start: int, stop: int) -> Examples:
        """Items `start` to `stop - 1` of every episode; sentences are cut to the longest of these."""
        items = min(stop, self.labels.shape[1]) - start
        inputs, labels = self.inputs.narrow(1, start, items), self.labels.narrow(1, start, items)
        return Examples(inputs, labels[tuple(slice(size) for size in inputs.shape[: labels.dim()])])

    @property
    def tagged(self) -> bool:
        """Whether the labels are tags of the words of sentences."""
        return self.labels.dim() > 2


class Classes(NamedTuple):
    """The classes of a batch of episodes: how many, and the vector that stands for each label.

    Attributes:
        ways: `batch`, classes of each episode; at most the `classes` axis of `codes`. For sentences these are tags,
            O included.
        codes: `batch x classes x width`: one-hot rows, or random label codes drawn for this episode only.
        names: for sentences, the names of the entity types, `batch x types x length`; None where classes have no
            names. A learner uses them only where its settings say so.

    Examples:
        >>> classes = Classes.one_hot(batch=1, classes=3)
        >>> classes.of_labels(torch.tensor([[2, PADDING]]))
        tensor([[[0., 0., 1.],
                 [0., 0., 0.]]])
    """

    ways: Tensor
    codes: Tensor
    names: Text | None = None

    @classmethod
    def one_hot(cls, batch: int, classes: int) -> Classes:
        """Classes numbered 0 to `classes - 1` in every episode, with one-hot codes."""
        return cls(torch.full((batch,), classes), torch.eye(classes).expand(batch, classes, classes))

    def to(self, device: torch.device) -> Classes:
        """The same classes on another device."""
        names = self.names if self.names is None else self.names.to(device)
        return Classes(self.ways.to(device), self.codes.to(device), names)

    def of_labels(self, labels: Tensor) -> Tensor:
        """Code of each label, with one axis more than the labels, `width`; zeros for padding.

        Args:
            labels: `batch x items`, or `batch x sentences x length`.
        """
        index = labels.flatten(1).clamp_min(0).unsqueeze(-1).expand(-1, -1, self.codes.shape[-1])
        return self.codes.gather(1, index).view(*labels.shape, self.codes.shape[-1]) * (labels >= 0).unsqueeze(-1)

    def present(self) -> Tensor:
        """True for the classes that an episode has, `batch x classes`."""
        return torch.arange(self.codes.shape[1], device=self.ways.device) < self.ways.unsqueeze(1)


class Episode(NamedTuple):
    """A batch of N-way K-shot episodes: a learner adapts to the support and is scored on the query.

    Attributes:
        support: the labelled examples, in random order.
        query: the items to answer, with the labels that score the answers.
        classes: the episode's classes.

    Examples:
        >>> images, labels = torch.zeros(2, 5, 1, 28, 28, dtype=torch.uint8), torch.arange(5).repeat(2, 1)
        >>> episode = Episode(Examples(images, labels), Examples(images, labels), Classes.one_hot(2, 5))
        >>> [part.labels.shape[1] for part in episode.query_parts(2)]  # the query, 2 items at a time
        [2, 2, 1]
    """

    support: Examples
    query: Examples
    classes: Classes

    def to(self, device: torch.device) -> Episode:
        """The same batch on another device."""
        return Episode(self.support.to(device), self.query.to(device), self.classes.to(device))

    @property
    def targets(self) -> Tensor:
        """Labels that score the predictions, those of the query."""
        return self.query.labels

    def query_parts(self, size: int) -> Iterator[Examples]:
        """The query, `size` items or sentences at a time, for queries that do not fit into memory together."""
        for start in range(0, self.query.labels.shape[1], size):
            yield self.query.part(start, start + size)


class Stream(NamedTuple):
    """A batch of online streams [S16]: at step t the learner sees item t and the label of item t - 1.

    References:
        [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, 2016, section 2.

    Attributes:
        inputs: `batch x steps x channels x height x width`, uint8.
        labels: `batch x steps`, class numbers of the episode, `PADDING` after its end.
        classes: the episode's classes.

    Examples:
        >>> images, labels = torch.zeros(1, 4, 1, 28, 28, dtype=torch.uint8), torch.tensor([[1, 0, 1, 1]])
        >>> stream = Stream(images, labels, Classes.one_hot(1, 2))
        >>> instances(stream.labels)
        tensor([[1, 1, 2, 3]])
    """

    inputs: Tensor
    labels: Tensor
    classes: Classes

    def to(self, device: torch.device) -> Stream:
        """The same batch on another device."""
        return Stream(self.inputs.to(device), self.labels.to(device), self.classes.to(device))

    @property
    def targets(self) -> Tensor:
        """Labels that score the predictions, `batch x steps`."""
        return self.labels


def instances(labels: Tensor) -> Tensor:
    """The instance number of each item within its class, `batch x items`; 0 for padding.

    The first item of a class is instance 1: its label cannot be known, only guessed among the unused ones.
    """
    same = labels.unsqueeze(-1) == labels.unsqueeze(-2)
    return same.tril().sum(-1) * (labels >= 0)


def first_instance_ceiling(ways: int) -> float:
    """Highest accuracy that can be expected on first instances, H_C / C.

    It is reached by a learner that recognises each new class as new and guesses evenly among the unused labels.
    """
    return sum(1 / k for k in range(1, ways + 1)) / ways
