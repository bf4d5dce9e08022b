"""The inner loop on torch.func: a dictionary of fast weights takes the place of the parameters.

Its numbers and its names in a checkpoint are those of learn2learn 0.2.0.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metamann.learners.inner_loop.network import AdaptedNetwork


class Start(nn.Module):
    """A network and the rates of its gradient steps.

    Args:
        module: the network.
        rate: of each step; where learned rates start from.
        learned: learn a rate for each number of every parameter.

    Examples:
        >>> start = Start(nn.Linear(3, 2), rate=0.1, learned=True)
        >>> [rates.shape for rates in start.rates()]  # of weight and bias
        [torch.Size([2, 3]), torch.Size([2])]
    """

    def __init__(self, module: nn.Module, rate: float, learned: bool) -> None:
        super().__init__()
        self.module = module
        self.lr = rate
        if learned:
            self.lrs = nn.ParameterList([torch.full_like(parameter, rate) for parameter in module.parameters()])

    def rates(self) -> list[Any]:
        """The rate of each parameter."""
        return list(self.lrs) if "lrs" in self._modules else [self.lr for _ in self.module.parameters()]


class FastWeights(AdaptedNetwork):
    """The network called with weights of its own.

    Args:
        module: the network; its parameters are not changed.
        weights: by the names of its parameters.
        rates: of each of them.

    Examples:
        >>> start = Start(nn.Linear(3, 2), rate=0.5, learned=False)
        >>> network = FastWeights.of(start)
        >>> network.descend([None, torch.ones(2)])  # a step of the bias alone
        >>> start.module.bias - network.parameters()[1]
        tensor([0.5000, 0.5000], grad_fn=<SubBackward0>)
    """

    def __init__(self, module: nn.Module, weights: dict[str, Tensor], rates: Sequence[Any]) -> None:
        self.module, self.weights, self.rates = module, weights, rates

    @classmethod
    def of(cls, start: Any) -> FastWeights:
        """See `AdaptedNetwork.of`."""
        weights = {name: parameter.clone() for name, parameter in start.module.named_parameters()}
        return cls(start.module, weights, start.rates())

    def clone(self) -> FastWeights:
        """See `AdaptedNetwork.clone`; a step makes new weights, so that none is copied."""
        return FastWeights(self.module, self.weights, self.rates)

    def parameters(self) -> list[Tensor]:
        """See `AdaptedNetwork.parameters`."""
        return list(self.weights.values())

    def descend(self, gradients: Sequence[Tensor | None]) -> None:
        """See `AdaptedNetwork.descend`."""
        self.weights = {
            name: weight if gradient is None else weight - rate * gradient
            for (name, weight), rate, gradient in zip(self.weights.items(), self.rates, gradients, strict=True)
        }

    def __call__(self, inputs: Any) -> Tensor:
        """See `AdaptedNetwork.__call__`."""
        outputs: Tensor = functional_call(_shell(self.module), self.weights, (inputs,))
        return outputs


def _shell(module: nn.Module) -> nn.Module:
    """The same network with tables of its own: threads share modules, and `functional_call` exchanges their weights."""
    shell = copy.copy(module)
    # the lists are those that recurrent layers keep their weights in
    shell.__dict__.update({name: list(value) for name, value in vars(module).items() if type(value) is list})
    shell._parameters = dict(module._parameters)
    shell._modules = {name: child if child is None else _shell(child) for name, child in module._modules.items()}
    return shell
