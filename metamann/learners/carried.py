"""A MANN whose memory is not reset, or not wholly, between episodes: for measuring what the reset is worth."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from metamann.episodes.episode import Stream
from metamann.errors import ConfigError, check_choice, check_number
from metamann.hardware import full_precision
from metamann.learners.mann import MANN
from metamann.memory.interface import Memory

Self = TypeVar("Self", bound="CarriedMANN")


class CarriedMANN(MANN):
    """Carries the state of the memory from each stream to the next in its row of the batch.

    This breaks the contract of every learner, that nothing of an episode stays on the module: an answer depends on the
    episodes before. Training and evaluation each start from a fresh memory, and a resumed run does too. N-way K-shot
    episodes are answered as by `MANN`.

    Args:
        encoder: uint8 images to features.
        memory: of fixed size.
        code_width: of the label codes.
        reset: `never`, or `decay`: between streams every number of the state is multiplied by `decay`.
        decay: between 0, a full reset of memories that start from zeros, and 1, none.

    Raises:
        ConfigError: for another policy or a decay outside its range.
    """

    def __init__(
        self,
        encoder: nn.Module,
        memory: Memory[Any],
        code_width: int,
        reset: Literal["never", "decay"] = "never",
        decay: float = 0.5,
    ) -> None:
        super().__init__(encoder, memory, code_width)
        check_choice("learner.reset", reset, ("never", "decay"))
        check_number("learner.decay", decay, least=0, most=1)
        self.kept = 1.0 if reset == "never" else decay
        self.carried: Any = None

    def train(self: Self, mode: bool = True) -> Self:
        """Change the mode; what was carried is dropped, so that validation and training do not mix."""
        self.carried = None
        return super().train(mode)

    def stream(self, stream: Stream) -> Tensor:
        """As `MANN.stream`, from the memory that the stream before left behind.

        Raises:
            ConfigError: if the memory grows from stream to stream.
        """
        features, codes, mask = self._sequence(stream)
        with full_precision(features.device):
            start = self._start(len(mask), codes.shape[-1], features)
            reads, final = self.memory.scan(start, features, codes, mask)
            if any(before.shape != after.shape for before, after in zip(start, final, strict=True)):
                raise ConfigError("a memory that grows cannot be carried on for ever; choose one of fixed size.")
            self.carried = type(final)(*(tensor.detach() for tensor in final))
            log_probs: Tensor = self.head(reads, stream.classes, self._shown_before(stream))
        return log_probs

    def _start(self, batch: int, code_width: int, features: Tensor) -> Any:
        """The first rows of what was carried; rows that were never used are fresh."""
        fresh = self.memory.initial_state(batch, code_width, features)
        if self.carried is None:
            return fresh
        pairs = zip(self.carried, fresh, strict=True)
        return type(fresh)(*(torch.cat([self._weakened(old[:batch]), new[len(old) :]]) for old, new in pairs))

    def _weakened(self, tensor: Tensor) -> Tensor:
        return tensor * self.kept if tensor.is_floating_point() else tensor
