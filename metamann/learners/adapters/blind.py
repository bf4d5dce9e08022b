"""A learner that cannot read its memory: to measure what the memory contributes to one trained with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.episodes.episode import Classes, Examples, Stream
from metamann.hardware import full_precision
from metamann.learners.adapters.adapter import Adapter, needs_mann
from metamann.learners.learner import Learner
from metamann.learners.streaming import StreamingLearner
from metamann.memory.interface import Trace

# what a controller remembers by itself, and what the previous item and label; all else of a state is the memory's
OF_THE_CONTROLLER = ("hidden", "cell", "previous_item", "previous_code")


class Blind(Adapter, StreamingLearner[Any, Any]):
    """Zeroes every read of a stream; what the controller remembers by itself is left.

    Before each step everything in the state but the controller's own is made fresh again, so that nothing reaches
    the controller by way of the memory either. N-way K-shot episodes are answered as by the learner.

    Raises:
        ConfigError: for a learner without a memory.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.controlled.ntm import NTMMemory
        >>> learner = Blind(MANN(IdentityEncoder(2), NTMMemory(features=2, code_width=3, slots=4), code_width=3))
        >>> stream = Stream(torch.rand(1, 4, 2), torch.tensor([[0, 1, 0, 1]]), Classes.one_hot(batch=1, classes=3))
        >>> learner.stream(stream).shape
        torch.Size([1, 4, 3])
    """

    def __init__(self, learner: Learner[Any]) -> None:
        super().__init__(needs_mann(learner, "blind"))

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """As the learner inside; see `Learner.adapt`."""
        return self.learner.adapt(support, classes, state)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """As the learner inside; see `Learner.predict`."""
        return self.learner.predict(state, inputs)

    def trace(self, stream: Stream) -> Trace | None:
        """That of the learner inside, with its reads."""
        return self.learner.trace(stream)

    def stream(self, stream: Stream) -> Tensor:
        """As `MANN.stream`, without the memory."""
        mann = needs_mann(self.learner, "blind")
        features, codes, mask = mann.sequence(stream)
        with full_precision(features.device):
            fresh = mann.memory.initial_state(len(mask), codes.shape[-1], features)
            state, reads, own = fresh, [], mann.memory.controller_width
            for item, code, present in zip(features.unbind(1), codes.unbind(1), mask.unbind(1), strict=True):
                read, after = mann.memory.step(state, item, code, present)
                # the controller's own part stays
                reads.append(F.pad(read[:, :own], (0, read.shape[-1] - own)))
                state = _forgotten(after, fresh)
            return mann.answers(torch.stack(reads, 1), stream)


def _forgotten(state: Any, fresh: Any) -> Any:
    """The fresh state with what the controller remembers."""
    return fresh._replace(**{name: getattr(state, name) for name in OF_THE_CONTROLLER if name in state._fields})
