"""A MANN that cannot read its memory: for measuring what the memory is worth to a learner that was trained with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.episodes.episode import Stream
from metamann.hardware import full_precision
from metamann.learners.mann import MANN

# what a controller remembers by itself, and what it was told last; all else of a state is the memory's
OF_THE_CONTROLLER = ("hidden", "cell", "told_item", "told_code")


class BlindMANN(MANN):
    """Zeroes every read of a stream; what the controller remembers by itself is left.

    Before each step everything in the state but the controller's own is made fresh again, so that nothing reaches
    the controller by way of the memory either. N-way K-shot episodes are answered as by `MANN`.
    """

    def stream(self, stream: Stream) -> Tensor:
        """As `MANN.stream`, without the memory."""
        features, codes, mask = self._sequence(stream)
        with full_precision(features.device):
            fresh = self.memory.initial_state(len(mask), codes.shape[-1], features)
            state, reads, own = fresh, [], self.memory.controller_width
            for item, code, shown in zip(features.unbind(1), codes.unbind(1), mask.unbind(1), strict=True):
                read, after = self.memory.step(state, item, code, shown)
                # the controller's own part is kept
                reads.append(F.pad(read[:, :own], (0, read.shape[-1] - own)))
                state = _forgotten(after, fresh)
            log_probs: Tensor = self.head(torch.stack(reads, 1), stream.classes, self._shown_before(stream))
        return log_probs


def _forgotten(state: Any, fresh: Any) -> Any:
    """The fresh state with what the controller remembers."""
    return fresh._replace(**{name: getattr(state, name) for name in OF_THE_CONTROLLER if name in state._fields})
