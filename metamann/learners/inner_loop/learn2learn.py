"""The inner loop of learn2learn: `maml_update` and `meta_sgd_update` of version 0.2.0 on its clones."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from metamann.errors import ConfigError
from metamann.learners.inner_loop.network import AdaptedNetwork

INSTALL = "python -m metamann.learners.inner_loop.install"


def learn2learn_start(module: nn.Module, rate: float, learned: bool) -> nn.Module:
    """A network and the rates of its gradient steps, as learn2learn holds them: `MAML`, or `MetaSGD` of learned rates.

    Raises:
        ConfigError: if learn2learn is not installed.
    """
    algorithms = import_learn2learn().algorithms
    start: nn.Module = (algorithms.MetaSGD if learned else algorithms.MAML)(module, lr=rate)
    return start


class Clone(AdaptedNetwork):
    """A clone of a network of learn2learn.

    Its `adapt` would free the graph that the answers of a stream still need, and that of its Meta-SGD refuses frozen
    and unused parameters; the updates themselves are used.

    Args:
        clone: of learn2learn.

    Examples:
        >>> start = learn2learn_start(nn.Linear(3, 2), rate=0.5, learned=False)  # doctest: +SKIP
        >>> network = Clone.of(start)  # doctest: +SKIP
        >>> [parameter.shape for parameter in network.parameters()]  # doctest: +SKIP
        [torch.Size([2, 3]), torch.Size([2])]
    """

    def __init__(self, clone: Any) -> None:
        self.network = clone

    @classmethod
    def of(cls, start: Any) -> Clone:
        """See `AdaptedNetwork.of`."""
        return cls(start.clone())

    def clone(self) -> Clone:
        """See `AdaptedNetwork.clone`."""
        return Clone(self.network.clone())

    def parameters(self) -> list[Tensor]:
        """See `AdaptedNetwork.parameters`."""
        return list(self.network.module.parameters())

    def descend(self, gradients: Sequence[Tensor | None]) -> None:
        """See `AdaptedNetwork.descend`."""
        algorithms, network = import_learn2learn().algorithms, self.network
        if hasattr(network, "lrs"):
            network.module = algorithms.meta_sgd_update(network.module, network.lrs, gradients)
        else:
            network.module = algorithms.maml_update(network.module, network.lr, gradients)

    def __call__(self, inputs: Any) -> Tensor:
        """See `AdaptedNetwork.__call__`."""
        outputs: Tensor = self.network(inputs)
        return outputs


def import_learn2learn() -> Any:
    """The package learn2learn, imported where it is needed alone: it takes seconds.

    Raises:
        ConfigError: if it is not installed, with the command that does it.
    """
    try:
        # gym, which it imports, prints that it is out of date
        with contextlib.redirect_stderr(io.StringIO()):
            return importlib.import_module("learn2learn")
    except ImportError as error:
        raise ConfigError(
            f"learn2learn is not installed ({error}); install it with: {INSTALL}, or set learner.implementation=torch."
        ) from error
