"""The contract of every learner: adapt to a support set, predict queries."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import TypeVar

from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream
from metamann.errors import ConfigError
from metamann.memory.interface import Trace

State = TypeVar("State", bound=tuple[Any, ...])
Inputs = TypeVar("Inputs", default=Any)


class Loss(NamedTuple):
    """What a batch costs.

    Attributes:
        total: the loss summed over all answers, one number.
        right: how many answers were right.
    """

    total: Tensor
    right: Tensor


class Reading(NamedTuple):
    """What a learner read for each word of its queries, for people to look at.

    Attributes:
        evidence: `batch x queries x length x sources`, what each source adds to the logit of "part of an entity".
        classes: `batch x queries x length x types`, the share of each type if the word is part of an entity.
        nearest: `batch x queries x length x 2`, the word of the support nearest to it outside of entities, and the
            nearest inside of one: numbers among the words of the support in the order of its sentences, -1 for none.
        cosines: of these two.
    """

    evidence: Tensor
    classes: Tensor
    nearest: Tensor
    cosines: Tensor


class Learner(nn.Module, Generic[State, Inputs]):
    """Learns a task from its support set and answers its queries.

    `State` is what `adapt` gives, `Inputs` what it reads: a tensor of items, or the text of sentences.

    Attributes:
        trainable: whether meta-training can train it.
        takes_support: whether it learns from examples; else only supports without any are for it.
        answers_streams: whether it answers streams, as a `StreamingLearner` does.
    """

    trainable: ClassVar[bool] = True
    takes_support: ClassVar[bool] = True
    answers_streams: ClassVar[bool] = False

    def encode(self, inputs: Inputs) -> Any:
        """What the learner makes of each item alone, whatever the episode; the items themselves, if nothing.

        The learner of `on_features` takes what this gives in place of the inputs, so that an evaluation encodes every
        item once, however many episodes hold it.

        Args:
            inputs: images, `batch x items x channels x height x width`, or the text of sentences.
        """
        return inputs

    def on_features(self) -> Learner[State, Any]:
        """The same learner, with the same parameters, whose methods take what `encode` gives in place of the inputs.

        It is in the mode that this one is in now. A learner that encodes nothing is that learner itself.
        """
        return self

    @abstractmethod
    def adapt(self, support: Examples, classes: Classes, state: State | None = None) -> State:
        """Learn from labelled examples.

        Args:
            support: labelled images or sentences, padded with `PADDING`.
            classes: the classes of each episode.
            state: to continue from, for instance with further classes; None starts afresh.

        Returns:
            All that was learned; nothing stays on the module.
        """

    @abstractmethod
    def predict(self, state: State, inputs: Inputs) -> Tensor:
        """Log-probabilities of the classes for queries that do not see each other.

        Args:
            state: of `adapt`; it is not changed.
            inputs: images, `batch x queries x channels x height x width`, or the text of sentences.

        Returns:
            `batch x queries x classes`, of sentences `batch x queries x length x tags`; minus infinity for classes
            that an episode does not have.
        """

    def answer(self, state: State, inputs: Inputs) -> Tensor:
        """The label of each query, `batch x queries`, or tag of each word, `batch x queries x length`.

        The most probable one of `predict`, unless a learner weighs the tags of a sentence together.
        """
        return self.predict(state, inputs).argmax(-1)

    def trace(self, stream: Stream) -> Trace | None:
        """What its memory did over a stream, for people to look at; None where it has no memory, or no streams."""
        return None

    def reading(self, state: State, inputs: Inputs) -> Reading | None:
        """What was read for each word of the queries; None where a learner cannot say."""
        return None

    def forward(self, episodes: Episode) -> Tensor:
        """Log-probabilities of the targets of a batch."""
        return self.predict(self.adapt(episodes.support, episodes.classes), episodes.query.inputs)

    @property
    def can_forget(self) -> bool:
        """Whether single examples can be taken out of a state, with `forget`."""
        return False

    def forget(self, state: State, taken: Tensor) -> State:
        """Take labelled examples out of a state: later answers are those of a learner that never saw them.

        Args:
            state: of `adapt`; it is not changed.
            taken: `batch x examples`, true for the items, or words of sentences, to take out, in the order in which
                they were learned. Every class keeps an example: with fewer classes a task is adapted anew.

        Raises:
            ConfigError: if the learner cannot.
        """
        raise ConfigError(
            f"{type(self).__name__} cannot take single examples out again; adapt it anew, or choose memory=keyvalue, "
            "nearest or prototypes."
        )

    def read_weights(self, state: State, inputs: Inputs) -> Tensor | None:
        """How much of each labelled example is in what is read for a query, for people to look at.

        Returns:
            `batch x queries x examples`, of sentences `batch x queries x length x words of the support`, in the order
            in which they were learned; None where what is read is not of single examples.
        """
        return None

    def loss(self, episodes: Episode) -> Loss:
        """What meta-training minimises: the negative log-likelihood of the targets, unless a learner has its own."""
        return negative_log_likelihood(self(episodes), episodes.targets)


def negative_log_likelihood(log_probs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Loss:
    """Loss of answers each by itself.

    Args:
        log_probs: `... x classes`, minus infinity for classes that an episode does not have.
        targets: `...`, `PADDING` where there is no target.
        smoothing: share of a target that is spread evenly over the classes of its episode (label smoothing: Szegedy
            et al., Rethinking the Inception Architecture for Computer Vision, 2016, section 7).
    """
    total = F.nll_loss(log_probs.flatten(0, -2), targets.flatten(), ignore_index=PADDING, reduction="sum")
    if smoothing:
        present = log_probs > -torch.inf
        spread = log_probs.where(present, 0.0).sum(-1) / present.sum(-1)
        total = (1 - smoothing) * total - smoothing * (spread * (targets != PADDING)).sum()
    return Loss(total, (log_probs.argmax(-1) == targets).sum())


def log_probabilities(logits: Tensor, classes: Classes) -> Tensor:
    """Log-softmax over the classes that each episode has, `batch x items x classes`."""
    absent = ~classes.present().unsqueeze(1)
    return torch.log_softmax(logits.masked_fill(absent, -torch.inf), -1)
