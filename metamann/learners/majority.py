"""The least that any learner must beat: always the label that the support shows most; for sentences that is O."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.episodes.episode import Classes, Examples
from metamann.episodes.text import Text
from metamann.learners.learner import Learner, log_probabilities
from metamann.learners.mann import MANN


class MajorityState(NamedTuple):
    """How often each label was shown.

    Attributes:
        counts: `batch x classes`.
        classes: the classes of each episode.
    """

    counts: Tensor
    classes: Classes


class Majority(MANN):
    """Answers with the shares of the labels, one example of each added, whatever is asked.

    It is loaded from the checkpoint of a MANN, so that it is evaluated as one, and uses none of its parameters.
    """

    def encode(self, inputs: Tensor | Text) -> Any:
        """Nothing is made of the items."""
        return inputs

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """Count the labels; see `Learner.adapt`."""
        labels = support.labels.flatten(1)
        width = classes.codes.shape[1]
        counts = (labels.unsqueeze(-1) == torch.arange(width, device=labels.device)).sum(1)
        if state is not None:
            counts = counts + F.pad(state.counts, (0, width - state.counts.shape[1]))
        return MajorityState(counts, classes)

    def predict(self, state: Any, inputs: Tensor | Text) -> Tensor:
        """The same shares for every query; see `Learner.predict`."""
        items = inputs.words.shape[1:] if isinstance(inputs, Text) else inputs.shape[1:2]
        log_probs = log_probabilities((state.counts + 1.0).log().unsqueeze(1), state.classes)
        return log_probs.view(len(log_probs), *[1] * len(items), -1).expand(-1, *items, -1)

    # not the memory's
    stream, trace = Learner.stream, Learner.trace
