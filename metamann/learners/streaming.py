"""Learners that answer streams too: the label of a step follows its prediction."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from metamann.episodes.episode import Episode, Examples, Stream
from metamann.learners.learner import Inputs, Learner, Loss, State, negative_log_likelihood


class StreamingLearner(Learner[State, Inputs]):
    """A learner of episodes and of streams."""

    answers_streams: ClassVar[bool] = True

    def stream(self, stream: Stream) -> Tensor:
        """Log-probabilities at every step, from the items so far and the labels before, `batch x steps x classes`.

        Each step is predicted before its label is learned; learners that can answer a stream at once do.
        """
        inputs: Any = stream.inputs
        encoded, learner, answers = self.encode(inputs), self.on_features(), []
        nothing = Examples(encoded[:, :0], stream.labels[:, :0])
        state = learner.adapt(nothing, stream.classes)
        for step in range(stream.labels.shape[1]):
            item = encoded[:, step : step + 1]
            answers.append(learner.predict(state, item))
            state = learner.adapt(Examples(item, stream.labels[:, step : step + 1]), stream.classes, state)
        return torch.cat(answers, 1)

    def forward(self, episodes: Episode | Stream) -> Tensor:
        """Log-probabilities of the targets of a batch, whatever its protocol."""
        return self.stream(episodes) if isinstance(episodes, Stream) else super().forward(episodes)

    def loss(self, episodes: Episode | Stream) -> Loss:
        """What meta-training minimises: the negative log-likelihood of the targets, unless a learner has its own."""
        return negative_log_likelihood(self(episodes), episodes.targets)
