"""A learner that looks at every image from four sides: for evaluating one trained on upright images alone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Examples, Stream
from metamann.errors import ConfigError
from metamann.learners.adapters.adapter import Adapter, needs_streams
from metamann.learners.streaming import StreamingLearner
from metamann.memory.interface import Trace

SIDES = 4


class Rotated(Adapter, StreamingLearner[Any, Any]):
    """Answers with the mean probability of four views of an episode, its images rotated by 0, 90, 180 or 270 degrees.

    A rotated episode is an episode of the same classes, distinguished by features whose errors differ. Classes that
    are rotations of one another stay apart, since all images of a view are rotated alike. Each view has a state of its
    own; it costs four times the time.

    Examples:
        >>> from metamann.encoders.pixels import PixelEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.keyvalue import KeyValueMemory
        >>> learner = Rotated(MANN(PixelEncoder(size=4), KeyValueMemory(features=16, code_width=2), code_width=2))
        >>> learner.encode(torch.zeros(1, 3, 1, 4, 4, dtype=torch.uint8)).shape  # 16 features of each view
        torch.Size([1, 3, 64])
    """

    def encode(self, inputs: Any) -> Tensor:
        """What the learner makes of all views, behind one another on the last axis, `batch x items x ...`.

        Args:
            inputs: images, `batch x items x channels x height x width`.

        Raises:
            ConfigError: for anything but images.
        """
        if not isinstance(inputs, Tensor) or inputs.dim() != 5:
            raise ConfigError("adapter=rotated needs images: sentences cannot be rotated, nor rows; leave it out.")
        return torch.cat([self.learner.encode(inputs.rot90(turns, (-2, -1))) for turns in range(SIDES)], -1)

    def on_features(self) -> Views:
        """The same for what `encode` gives; see `Learner.on_features`."""
        return Views(self.learner.on_features())

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """Learn from every view; see `Learner.adapt`."""
        return self.on_features().adapt(Examples(self.encode(support.inputs), support.labels), classes, state)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """Answer from every view; see `Learner.predict`."""
        return self.on_features().predict(state, self.encode(inputs))

    def stream(self, stream: Stream) -> Tensor:
        """Answer a stream from every view; see `StreamingLearner.stream`."""
        return self.on_features().stream(stream._replace(inputs=self.encode(stream.inputs)))

    def trace(self, stream: Stream) -> Trace | None:
        """That of the upright view."""
        return self.on_features().trace(stream._replace(inputs=self.encode(stream.inputs)))


class Views(Adapter, StreamingLearner[Any, Any]):
    """Answers with the mean probability of views that are encoded, behind one another on the last axis.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.keyvalue import KeyValueMemory
        >>> learner = Views(MANN(IdentityEncoder(2), KeyValueMemory(features=2, code_width=2), code_width=2))
        >>> state = learner.adapt(Examples(torch.rand(1, 3, 8), torch.tensor([[1, 0, 1]])), Classes.one_hot(1, 2))
        >>> learner.predict(state, torch.rand(1, 2, 8)).shape  # of four views of two features
        torch.Size([1, 2, 2])
    """

    def encode(self, inputs: Any) -> Any:
        """The same."""
        return inputs

    def on_features(self) -> Views:
        """Itself."""
        return self

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """Learn from every view; see `Learner.adapt`."""
        views = Examples(_apart(support.inputs), support.labels.repeat(SIDES, 1))
        return self.learner.adapt(views, _repeated(classes), state)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """Answer from every view; see `Learner.predict`."""
        return _mean(self.learner.predict(state, _apart(inputs)))

    def stream(self, stream: Stream) -> Tensor:
        """Answer a stream from every view; see `StreamingLearner.stream`."""
        views = Stream(_apart(stream.inputs), stream.labels.repeat(SIDES, 1), _repeated(stream.classes))
        return _mean(needs_streams(self.learner, "rotated").stream(views))

    def trace(self, stream: Stream) -> Trace | None:
        """That of the upright view."""
        return self.learner.trace(stream._replace(inputs=stream.inputs.chunk(SIDES, -1)[0]))


def _apart(encoded: Any) -> Tensor:
    """Views behind one another on the batch axis, `(4 * batch) x items x ...`."""
    return torch.cat(encoded.chunk(SIDES, -1))


def _repeated(classes: Classes) -> Classes:
    return Classes(classes.ways.repeat(SIDES), classes.codes.repeat(SIDES, 1, 1))


def _mean(log_probs: Tensor) -> Tensor:
    """Of the views on the batch axis."""
    return torch.stack(log_probs.chunk(SIDES)).logsumexp(0) - math.log(SIDES)
