"""What all adapters share: they hold a trained learner, whose checkpoint is theirs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from torch import nn

from metamann.errors import ConfigError
from metamann.learners.learner import Learner
from metamann.learners.mann import MANN
from metamann.learners.streaming import StreamingLearner


class Adapter(Learner[Any, Any]):
    """Answers in another way with a learner that is trained already.

    Names in a checkpoint are those of the learner inside, so that it opens with an adapter and without one.

    Args:
        learner: what it holds.
    """

    trainable: ClassVar[bool] = False

    def __init__(self, learner: Learner[Any]) -> None:
        super().__init__()
        self.learner = learner

    @property
    def memory(self) -> Any:
        """The memory of the learner inside, which it reads; None where it is left alone."""
        return getattr(self.learner, "memory", None)

    def encode(self, inputs: Any) -> Any:
        """What the learner inside makes of each item; see `Learner.encode`."""
        return self.learner.encode(inputs)

    def on_features(self) -> Learner[Any]:
        """The adapter of the learner inside that takes features; see `Learner.on_features`."""
        view = copy.copy(self)
        view._modules = {**self._modules, "learner": self.learner.on_features()}
        return view

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """That of the learner inside."""
        return self.learner.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Into the learner inside."""
        return self.learner.load_state_dict(state_dict, strict, assign)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the learner inside that take part in the answers, by its own names."""
        return self.learner.named_parameters(prefix, recurse, remove_duplicate)


def needs_mann(learner: Learner[Any], adapter: str) -> MANN:
    """The learner, if it is an encoder with a memory.

    Raises:
        ConfigError: if it is not.
    """
    if not isinstance(learner, MANN):
        raise ConfigError(
            f"adapter={adapter} needs an encoder with a memory, learner=mann, not {type(learner).__name__}; choose "
            "another checkpoint or leave out adapter."
        )
    return learner


def needs_streams(learner: Learner[Any], adapter: str) -> StreamingLearner[Any, Any]:
    """The learner, if it answers streams.

    Raises:
        ConfigError: if it does not.
    """
    if not isinstance(learner, StreamingLearner):
        raise ConfigError(
            f"adapter={adapter} needs a learner that answers streams, not {type(learner).__name__}; choose another "
            "checkpoint or leave out adapter."
        )
    return learner
