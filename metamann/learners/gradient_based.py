"""Learners that adapt by gradient steps at test time: MAML, ANIL, Meta-SGD.

References:
    [F17] Finn, Abbeel and Levine, Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, ICML 2017.
    [R20] Raghu et al., Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of MAML, ICLR 2020
        (ANIL).
    [L17] Li et al., Meta-SGD: Learning to Learn Quickly for Few-Shot Learning, 2017.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.episode import PADDING, Classes, Examples, Stream
from metamann.errors import ConfigError, check_choice, check_number, check_size
from metamann.hardware import full_precision
from metamann.learners.inner_loop.functional import FastWeights, Start
from metamann.learners.inner_loop.learn2learn import Clone, import_learn2learn, learn2learn_start
from metamann.learners.inner_loop.network import AdaptedNetwork
from metamann.learners.learner import log_probabilities
from metamann.learners.streaming import StreamingLearner
from metamann.memory.interface import Memory


class GradientState(NamedTuple):
    """What was learned from the supports of a batch of episodes.

    Attributes:
        adapted: a network with weights of its own for each episode.
        classes: the classes of each episode.
    """

    adapted: tuple[AdaptedNetwork, ...]
    classes: Classes


class GradientLearner(StreamingLearner[GradientState, Any]):
    """A network that takes a few gradient steps on each support; meta-training finds where they start from.

    Each class number of an episode has an output of a linear head. Streams are answered step by step, one inner loop
    for every label.

    Args:
        encoder: images or text to features.
        memory: left alone: gradient steps take its place.
        code_width: of the label codes, one-hot: outputs of the head.
        algorithm: `maml` [F17] adapts encoder and head; `anil` [R20] the head alone; `meta_sgd` [L17] both, with a
            learned rate for each parameter.
        inner_rate: of the gradient steps; where `meta_sgd` starts from.
        inner_steps: on each support, in training.
        test_steps: likewise, in evaluation.
        first_order: leave out the gradient through the gradient.
        implementation: of the inner loop: `learn2learn`, the package of that name; `torch`, the same on torch.func;
            `auto`, learn2learn where it can be imported. All have the same parameters, by the same names.

    Attributes:
        implementation: the one that is used, `learn2learn` or `torch`.

    Raises:
        ConfigError: for an unknown choice, numbers out of their range, or learn2learn where it is not installed.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.memory.pairs.keyvalue import KeyValueMemory
        >>> learner = GradientLearner(IdentityEncoder(2), KeyValueMemory(2, 2), code_width=2, implementation="torch")
        >>> support = Examples(torch.eye(2).unsqueeze(0), labels=torch.tensor([[1, 0]]))
        >>> state = learner.adapt(support, Classes.one_hot(batch=1, classes=2))
        >>> learner.predict(state, support.inputs).shape
        torch.Size([1, 2, 2])
    """

    def __init__(
        self,
        encoder: nn.Module,
        memory: Memory[Any],
        code_width: int,
        algorithm: Literal["maml", "anil", "meta_sgd"] = "maml",
        inner_rate: float = 0.1,
        inner_steps: int = 1,
        test_steps: int = 1,
        first_order: bool = False,
        implementation: Literal["auto", "learn2learn", "torch"] = "auto",
    ) -> None:
        super().__init__()
        del memory
        check_choice("learner.algorithm", algorithm, ("maml", "anil", "meta_sgd"))
        check_choice("learner.implementation", implementation, ("auto", "learn2learn", "torch"))
        check_number("learner.inner_rate", inner_rate, least=0)
        for name, value in (("inner_steps", inner_steps), ("test_steps", test_steps)):
            check_size(f"learner.{name}", value)
        self.inner_steps, self.test_steps, self.first_order = inner_steps, test_steps, first_order
        head = FullPrecisionLinear(int(encoder.features), code_width)  # type: ignore[arg-type]  # what all encoders have
        self.outputs = code_width
        self.body = encoder if algorithm == "anil" else None
        inner = head if algorithm == "anil" else nn.Sequential(encoder, head)
        self.implementation = _first_importable() if implementation == "auto" else implementation
        start = Start if self.implementation == "torch" else learn2learn_start
        self.adaptable: nn.Module = start(inner, inner_rate, algorithm == "meta_sgd")

    def encode(self, inputs: Any) -> Any:
        """Features, where the encoder is not adapted; else the items as they are, see `Learner.encode`."""
        return inputs if self.body is None else self.body(inputs)

    def on_features(self) -> GradientLearner:
        """The same learner without the body that it does not adapt; see `Learner.on_features`."""
        if self.body is None:
            return self
        view = copy.copy(self)
        view._modules = {**self._modules, "body": None}
        return view

    def adapt(self, support: Examples, classes: Classes, state: GradientState | None = None) -> GradientState:
        """Take gradient steps on the support, from the learned start or from a state; see `Learner.adapt`.

        Raises:
            ConfigError: for more classes than the head has outputs.
        """
        self._check_outputs(classes)
        inputs, learning, adapted = self.encode(support.inputs).split(1), torch.is_grad_enabled(), []
        # evaluation runs without gradients, but the inner loop needs its own
        with torch.enable_grad():
            for row, labels in enumerate(support.labels):
                clone = self._start() if state is None else state.adapted[row].clone()
                for _ in range(self._steps(labels)):
                    self._descend(clone, self._answers(clone, inputs[row], classes, row), labels, learning)
                adapted.append(clone)
        return GradientState(tuple(adapted), classes)

    def predict(self, state: GradientState, inputs: Any) -> Tensor:
        """Answers of the adapted networks; see `Learner.predict`."""
        rows = zip(state.adapted, self.encode(inputs).split(1), strict=True)
        return torch.cat([self._answers(network, one, state.classes, row) for row, (network, one) in enumerate(rows)])

    def stream(self, stream: Stream) -> Tensor:
        """See `StreamingLearner.stream`; the pass that answers an item is that of the first gradient step on it."""
        self._check_outputs(stream.classes)
        encoded, learning, answers = self.encode(stream.inputs), torch.is_grad_enabled(), []
        with torch.enable_grad():
            for row, labels in enumerate(stream.labels.unsqueeze(-1)):
                clone = self._start()
                for step, label in enumerate(labels):
                    item = encoded[row : row + 1, step : step + 1]
                    answer = self._answers(clone, item, stream.classes, row)
                    answers.append(answer if learning else answer.detach())
                    for number in range(self._steps(label)):
                        again = self._answers(clone, item, stream.classes, row) if number else answer
                        self._descend(clone, again, label, learning)
        return torch.cat(answers).view(*stream.labels.shape, -1)

    def _start(self) -> AdaptedNetwork:
        return FastWeights.of(self.adaptable) if self.implementation == "torch" else Clone.of(self.adaptable)

    def _steps(self, labels: Tensor) -> int:
        """Gradient steps on examples; none where there are none."""
        steps = self.inner_steps if self.training else self.test_steps
        return steps if bool((labels != PADDING).any()) else 0

    def _descend(self, clone: AdaptedNetwork, log_probs: Tensor, labels: Tensor, learning: bool) -> None:
        """One gradient step of a network of its own on its answers, which stays differentiable while learning."""
        loss = F.nll_loss(log_probs.flatten(0, -2), labels.flatten(), ignore_index=PADDING)
        parameters = clone.parameters()
        with full_precision(loss.device):  # each product backwards as it was forwards, never rounded further
            gradients = iter(
                torch.autograd.grad(
                    loss,
                    [parameter for parameter in parameters if parameter.requires_grad],
                    retain_graph=learning,
                    create_graph=learning and not self.first_order,
                    allow_unused=True,
                )
            )
        clone.descend([next(gradients) if parameter.requires_grad else None for parameter in parameters])

    def _answers(self, network: AdaptedNetwork, encoded: Any, classes: Classes, row: int) -> Tensor:
        """Log-probabilities for the items of one episode, `1 x items x classes`, of sentences `1 x ... x tags`."""
        here = slice(row, row + 1)
        logits = network(encoded)[..., : classes.codes.shape[1]]
        alone = Classes(classes.ways[here], classes.codes[here])
        return log_probabilities(logits.flatten(1, -2), alone).view(logits.shape)

    def _check_outputs(self, classes: Classes) -> None:
        if classes.codes.shape[1] > self.outputs:
            raise ConfigError(
                f"this head has {self.outputs} outputs, but the episodes have {classes.codes.shape[1]} classes. Use "
                "episodes of fewer classes, or train with protocol.codes.width at least that."
            )


class FullPrecisionLinear(nn.Linear):
    """A linear layer in float32, as the heads of all learners: the steps that adapt it are small.

    Examples:
        >>> FullPrecisionLinear(3, 2)(torch.ones(1, 3, dtype=torch.bfloat16)).dtype
        torch.float32
    """

    def forward(self, features: Tensor) -> Tensor:
        """Logits, float32."""
        with full_precision(features.device):
            return super().forward(features.float())


def _first_importable() -> Literal["learn2learn", "torch"]:
    try:
        import_learn2learn()
    except ConfigError:
        return "torch"
    return "learn2learn"
