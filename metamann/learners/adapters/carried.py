"""A learner whose memory is not reset, or not wholly, between episodes: to measure what the reset contributes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Episode, Examples, Stream
from metamann.errors import ConfigError, check_choice, check_number
from metamann.hardware import full_precision
from metamann.learners.adapters.adapter import Adapter, needs_mann
from metamann.learners.learner import Learner, Loss, negative_log_likelihood
from metamann.learners.streaming import StreamingLearner
from metamann.memory.interface import Trace

Self = TypeVar("Self", bound="Carried")


class Carried(Adapter, StreamingLearner[Any, Any]):
    """Carries the state of the memory from each stream to the next in its row of the batch.

    This breaks the contract of every learner, that nothing of an episode stays on the module: an answer depends on the
    episodes before. Training and evaluation each start from a fresh memory, and a resumed run does too. N-way K-shot
    episodes are answered as by the learner. It can be trained.

    Args:
        learner: with a memory of fixed size.
        reset: `never`, or `decay`: between streams every number of the state is multiplied by `decay`.
        decay: between 0, a full reset of memories that start from zeros, and 1, none.

    Raises:
        ConfigError: for another policy, a decay outside its range, or a learner without a memory.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.controlled.ntm import NTMMemory
        >>> learner = Carried(MANN(IdentityEncoder(2), NTMMemory(features=2, code_width=3, slots=4), code_width=3))
        >>> stream = Stream(torch.rand(1, 4, 2), torch.tensor([[0, 1, 0, 1]]), Classes.one_hot(batch=1, classes=3))
        >>> torch.equal(learner.stream(stream), learner.stream(stream))
        False
    """

    trainable: ClassVar[bool] = True

    def __init__(
        self,
        learner: Learner[Any],
        reset: Literal["never", "decay"] = "never",
        decay: float = 0.5,
    ) -> None:
        super().__init__(needs_mann(learner, "carried"))
        check_choice("adapter.reset", reset, ("never", "decay"))
        check_number("adapter.decay", decay, least=0, most=1)
        self.factor = 1.0 if reset == "never" else decay
        # in a list, which the adapter of `on_features` shares
        self._last_state: list[Any] = []

    @property
    def carried(self) -> Any:
        """State of the memory that the last stream left behind; None where there is none."""
        return self._last_state[0] if self._last_state else None

    def train(self: Self, mode: bool = True) -> Self:
        """Change the mode; what was carried is dropped, so that validation and training do not mix."""
        self._last_state.clear()
        return super().train(mode)

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """As the learner inside; see `Learner.adapt`."""
        return self.learner.adapt(support, classes, state)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """As the learner inside; see `Learner.predict`."""
        return self.learner.predict(state, inputs)

    def trace(self, stream: Stream) -> Trace | None:
        """That of the learner inside, with its reads."""
        return self.learner.trace(stream)

    def loss(self, episodes: Episode | Stream) -> Loss:
        """That of the learner inside, of the answers to streams that are computed here."""
        if not isinstance(episodes, Stream):
            return self.learner.loss(episodes)
        smoothing = needs_mann(self.learner, "carried").label_smoothing
        return negative_log_likelihood(self.stream(episodes), episodes.targets, smoothing)

    def stream(self, stream: Stream) -> Tensor:
        """As `MANN.stream`, from the memory that the stream before left behind.

        Raises:
            ConfigError: if the memory grows from stream to stream.
        """
        mann = needs_mann(self.learner, "carried")
        features, codes, mask = mann.sequence(stream)
        with full_precision(features.device):
            start = self._start(len(mask), codes.shape[-1], features)
            reads, final = mann.memory.scan(start, features, codes, mask)
            if any(before.shape != after.shape for before, after in zip(start, final, strict=True)):
                raise ConfigError("a memory that grows cannot be carried on for ever; choose one of fixed size.")
            self._last_state[:] = [type(final)(*(tensor.detach() for tensor in final))]
            return mann.answers(reads, stream)

    def _start(self, batch: int, code_width: int, features: Tensor) -> Any:
        """The first rows of what was carried; rows that were never used are fresh."""
        fresh = needs_mann(self.learner, "carried").memory.initial_state(batch, code_width, features)
        if self.carried is None:
            return fresh
        pairs = zip(self.carried, fresh, strict=True)
        return type(fresh)(*(torch.cat([self._weakened(old[:batch]), new[len(old) :]]) for old, new in pairs))

    def _weakened(self, tensor: Tensor) -> Tensor:
        return tensor * self.factor if tensor.is_floating_point() else tensor
