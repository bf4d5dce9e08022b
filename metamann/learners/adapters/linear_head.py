"""Fine-tuning, the plain baseline: a linear head is fitted to the support by gradient steps at test time.

References:
    [C19] Chen et al., A Closer Look at Few-shot Classification, ICLR 2019, section 3.2 (Baseline).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.episode import PADDING, Classes, Examples
from metamann.errors import check_number, check_size
from metamann.hardware import full_precision
from metamann.learners.adapters.adapter import Adapter, needs_mann
from metamann.learners.learner import Learner, log_probabilities
from metamann.learners.mann import positions
from metamann.learners.streaming import StreamingLearner


class LinearHeadState(NamedTuple):
    """The examples of a batch of episodes, and the heads that were fitted to it.

    Attributes:
        features: `batch x positions x features`, normalised.
        labels: `batch x positions`.
        weights: `batch x features x classes`.
        bias: `batch x classes`.
        classes: the classes of each episode.
    """

    features: Tensor
    labels: Tensor
    weights: Tensor
    bias: Tensor
    classes: Classes


class LinearHead(Adapter, StreamingLearner[Any, Any]):
    """Softmax regression on the encoder's features, fitted anew to each support; for evaluating a trained encoder.

    The memory of the learner inside is left alone. Streams are answered step by step, as is
    what comes task by task: by default the head is fitted anew to all examples so far.

    Args:
        learner: with a trained encoder.
        steps: of full-batch gradient descent.
        learning_rate: of these steps.
        decay: weight of the squared norm of the head, per example.
        norm: that features are scaled to.
        rehearse: where a state is carried on, fit to its examples too; otherwise only what is new is seen, and the
            head goes on from where it was.

    Raises:
        ConfigError: for numbers out of their range, or a learner without an encoder.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.keyvalue import KeyValueMemory
        >>> learner = LinearHead(MANN(IdentityEncoder(2), KeyValueMemory(features=2, code_width=2), code_width=2))
        >>> support = Examples(torch.eye(2).unsqueeze(0), labels=torch.tensor([[1, 0]]))
        >>> learner.answer(learner.adapt(support, Classes.one_hot(batch=1, classes=2)), support.inputs)
        tensor([[1, 0]])
    """

    def __init__(
        self,
        learner: Learner[Any],
        steps: int = 100,
        learning_rate: float = 1.0,
        decay: float = 1e-3,
        norm: float = 10.0,
        rehearse: bool = True,
    ) -> None:
        super().__init__(needs_mann(learner, "linear_head"))
        check_size("adapter.steps", steps)
        for name, value in (("learning_rate", learning_rate), ("decay", decay), ("norm", norm)):
            check_number(f"adapter.{name}", value, least=0)
        self.steps, self.learning_rate, self.decay, self.norm = steps, learning_rate, decay, norm
        self.rehearse = rehearse

    @property
    def memory(self) -> None:
        """It is left alone."""

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """Fit a head to the support, and to what a state holds already; see `Learner.adapt`."""
        features = self._normalised(self.encode(support.inputs))
        labels, number = support.labels.flatten(1), classes.codes.shape[1]
        weights, bias = (
            features.new_zeros(len(labels), features.shape[-1], number),
            features.new_zeros(len(labels), number),
        )
        if state is not None and self.rehearse:
            features, labels = torch.cat([state.features, features], 1), torch.cat([state.labels, labels], 1)
        elif state is not None:
            added = number - state.bias.shape[1]
            weights, bias = F.pad(state.weights, (0, added)), F.pad(state.bias, (0, added))
        return LinearHeadState(features, labels, *self._fit(features, labels, classes, weights, bias), classes)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """Answers of the fitted heads; see `Learner.predict`."""
        encoded = self.encode(inputs)
        features = self._normalised(encoded)
        with full_precision(features.device):
            logits = features @ state.weights + state.bias.unsqueeze(1)
        return log_probabilities(logits, state.classes).view(*encoded.shape[:-1], -1)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the encoder, by their names in the checkpoint."""
        encoder = needs_mann(self.learner, "linear_head").encoder
        front = f"{prefix}." if prefix else ""
        return encoder.named_parameters(f"{front}encoder", recurse, remove_duplicate)

    def _normalised(self, encoded: Tensor) -> Tensor:
        return self.norm * F.normalize(positions(encoded).float(), dim=-1)

    def _fit(
        self, features: Tensor, labels: Tensor, classes: Classes, weights: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Heads, going on from these; softmax regression's gradient is written out, nothing is saved for autograd."""
        mask, count = (labels != PADDING).unsqueeze(-1), (labels != PADDING).sum(1).clamp_min(1).view(-1, 1, 1)
        targets = F.one_hot(labels.clamp_min(0), classes.codes.shape[1]) * mask
        absent = ~classes.present().unsqueeze(1)
        rate = self.learning_rate / max(1.0, self.norm**2 / 4)  # below the curvature, so that every step goes down
        with full_precision(features.device):
            for _ in range(self.steps):
                probabilities = (features @ weights + bias.unsqueeze(1)).masked_fill(absent, -torch.inf).softmax(-1)
                error = (probabilities * mask - targets) / count
                weights = weights - rate * (features.transpose(1, 2) @ error + self.decay * weights)
                bias = bias - rate * error.sum(1)
        return weights, bias
