"""What a learner sees of a task: support and query sets, or an online stream; always a batch of them.

The leading axis is the episode. Labels number the classes of this episode alone, at random; -100 is padding. An image
is one labelled position, a sentence one for each token.
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
    """

    inputs: Any  # what a learner of them reads: a tensor, or `Text`
    labels: Tensor

    def to(self, device: torch.device) -> Examples:
        """The same examples on another device."""
        return Examples(self.inputs.to(device), self.labels.to(device))

    def part(self, start: int, stop: int) -> Examples:
        """Items `start` to `stop - 1` of every episode; sentences are cut to the longest that is left."""
        items = min(stop, self.labels.shape[1]) - start
        inputs, labels = self.inputs.narrow(1, start, items), self.labels.narrow(1, start, items)
        return Examples(inputs, labels[tuple(slice(size) for size in inputs.shape[: labels.dim()])])

    @property
    def tagged(self) -> bool:
        """Whether the labels are tags of the words of sentences, which are padded with no words."""
        return self.labels.dim() > 2


class Classes(NamedTuple):
    """The classes of a batch of episodes: how many, and the vector that stands for each label.

    Attributes:
        ways: `batch`, classes of each episode; at most the `classes` axis of `codes`. For sentences these are tags,
            O included.
        codes: `batch x classes x width`: one-hot rows, or random label codes drawn for this episode alone.
        names: of sentences, what the types of entities are called, `batch x types x length`; None where classes have
            no names. A learner looks at them only where it is told to.
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
        """Code of each label, one more axis than the labels, `width`; zeros for padding.

        Args:
            labels: `batch x items`, or `batch x sentences x length`.
        """
        index = labels.flatten(1).clamp_min(0).unsqueeze(-1).expand(-1, -1, self.codes.shape[-1])
        return self.codes.gather(1, index).view(*labels.shape, self.codes.shape[-1]) * (labels >= 0).unsqueeze(-1)

    def present(self) -> Tensor:
        """True for the classes that an episode has, `batch x classes`."""
        return torch.arange(self.codes.shape[1], device=self.ways.device) < self.ways.unsqueeze(1)


class Episode(NamedTuple):
    """A batch of N-way K-shot episodes: adapt to the support, be judged on the query.

    Attributes:
        support: the labelled examples, in random order.
        query: the items to answer, with the labels to judge the answers by.
        classes: the episode's classes.
    """

    support: Examples
    query: Examples
    classes: Classes

    def to(self, device: torch.device) -> Episode:
        """The same batch on another device."""
        return Episode(self.support.to(device), self.query.to(device), self.classes.to(device))

    @property
    def targets(self) -> Tensor:
        """Labels that predictions are judged by, those of the query."""
        return self.query.labels

    def query_parts(self, size: int) -> Iterator[Examples]:
        """The query, `size` items or sentences at a time: for queries too many to be answered at once."""
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
    """

    inputs: Tensor
    labels: Tensor
    classes: Classes

    def to(self, device: torch.device) -> Stream:
        """The same batch on another device."""
        return Stream(self.inputs.to(device), self.labels.to(device), self.classes.to(device))

    @property
    def targets(self) -> Tensor:
        """Labels that predictions are judged by, `batch x steps`."""
        return self.labels


def instances(labels: Tensor) -> Tensor:
    """How often the class of each item has been seen up to and with it, `batch x items`; 0 for padding.

    The first item of a class is instance 1: its label cannot be known, only guessed among the unused ones.
    """
    same = labels.unsqueeze(-1) == labels.unsqueeze(-2)
    return same.tril().sum(-1) * (labels >= 0)


def first_instance_ceiling(ways: int) -> float:
    """Highest honest accuracy on first instances, H_C / C: novelty known, unused labels guessed evenly."""
    return sum(1 / k for k in range(1, ways + 1)) / ways
