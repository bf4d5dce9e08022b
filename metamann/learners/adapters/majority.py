"""The least that any learner must beat: always the most frequent label of the support; for sentences that is O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.episode import Classes, Examples
from metamann.learners.adapters.adapter import Adapter
from metamann.learners.learner import log_probabilities
from metamann.learners.streaming import StreamingLearner


class MajorityState(NamedTuple):
    """How often each label occurs in the support.

    Attributes:
        counts: `batch x 1 x classes`; of sentences `batch x 1 x 1 x classes`, as their labels have one axis more.
        classes: the classes of each episode.
    """

    counts: Tensor
    classes: Classes


class Majority(Adapter, StreamingLearner[Any, Any]):
    """Answers with the shares of the labels, one example of each added, for any query.

    It is evaluated as the learner inside, opens its checkpoint, and uses none of its parameters.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.keyvalue import KeyValueMemory
        >>> learner = Majority(MANN(IdentityEncoder(2), KeyValueMemory(features=2, code_width=2), code_width=2))
        >>> state = learner.adapt(Examples(torch.rand(1, 3, 2), torch.tensor([[1, 0, 1]])), Classes.one_hot(1, 2))
        >>> learner.answer(state, torch.rand(1, 2, 2))
        tensor([[1, 1]])
    """

    @property
    def memory(self) -> None:
        """It is left alone."""

    def encode(self, inputs: Any) -> Any:
        """Nothing is made of the items."""
        return inputs

    def on_features(self) -> Majority:
        """Itself: it looks at no item."""
        return self

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """None."""
        return iter(())

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """Count the labels; see `Learner.adapt`."""
        labels = support.labels
        width = classes.codes.shape[1]
        one_hot = labels.unsqueeze(-1) == torch.arange(width, device=labels.device)
        counts = one_hot.sum(tuple(range(1, labels.dim())), keepdim=True)
        if state is not None:
            counts = counts + F.pad(state.counts, (0, width - state.counts.shape[-1]))
        return MajorityState(counts, classes)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """The same shares for every query; see `Learner.predict`."""
        log_probs = log_probabilities((state.counts + 1.0).log().flatten(1, -2), state.classes)
        queries = inputs.shape[1 : state.counts.dim() - 1]
        return log_probs.view(state.counts.shape).expand(-1, *queries, -1)
