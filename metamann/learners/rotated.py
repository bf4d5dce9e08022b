"""A MANN that looks at every image from four sides: for evaluating one that was trained on upright images alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Examples, Stream
from metamann.episodes.text import Text
from metamann.errors import ConfigError
from metamann.learners.mann import MANN, MannState
from metamann.memory.interface import Trace

SIDES = 4


class RotatedMANN(MANN):
    """Answers with the mean probability of four views of an episode, its images rotated by 0, 90, 180 or 270 degrees.

    A rotated episode is an episode of the same classes, told apart by features that err in other places. Classes that
    are rotations of one another stay apart, since all images of a view are rotated alike. Each view has a memory of
    its own; it costs four times the time. Parameters are those of `MANN`.
    """

    def encode(self, inputs: Tensor | Text) -> Tensor:
        """Features of all views, `batch x items x (4 * features)`, of uint8 images; features stay as they are.

        Raises:
            ConfigError: for sentences.
        """
        if isinstance(inputs, Text):
            raise ConfigError("sentences cannot be rotated; leave out learner=rotated.")
        if inputs.is_floating_point():
            return inputs
        return torch.cat([super(RotatedMANN, self).encode(inputs.rot90(turns, (-2, -1))) for turns in range(SIDES)], -1)

    def adapt(self, support: Examples, classes: Classes, state: MannState | None = None) -> MannState:
        """Write the support into the memory of every view; see `Learner.adapt`."""
        views = self._views(support.inputs)
        return super().adapt(Examples(views, support.labels.repeat(SIDES, 1)), _repeated(classes), state)

    def predict(self, state: MannState, inputs: Tensor | Text) -> Tensor:
        """Read the memory of every view for each query alone; see `Learner.predict`."""
        return _mean(super().predict(state, self._views(inputs)))

    def stream(self, stream: Stream) -> Tensor:
        """Read for every item what was written before it; see `Learner.stream`."""
        views = Stream(self._views(stream.inputs), stream.labels.repeat(SIDES, 1), _repeated(stream.classes))
        return _mean(super().stream(views))

    def trace(self, stream: Stream) -> Trace | None:
        """Read weights of the memory of the upright view."""
        return super().trace(stream._replace(inputs=self.encode(stream.inputs).chunk(SIDES, -1)[0]))

    def _views(self, inputs: Tensor | Text) -> Tensor:
        """Features with the views behind one another on the batch axis, `(4 * batch) x items x features`."""
        return torch.cat(self.encode(inputs).chunk(SIDES, -1))


def _repeated(classes: Classes) -> Classes:
    return Classes(classes.ways.repeat(SIDES), classes.codes.repeat(SIDES, 1, 1))


def _mean(log_probs: Tensor) -> Tensor:
    """Of the views on the batch axis."""
    return torch.stack(log_probs.chunk(SIDES)).logsumexp(0) - math.log(SIDES)
