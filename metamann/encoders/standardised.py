"""Features standardised by what was seen of them before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NEWEST = 0.1  # share of the newest items in the moving averages
LEAST_VARIANCE = 1e-5


class Standardised(nn.Module):
    """Each feature less its running mean, over its running deviation: what all items share says nothing of any.

    The features of a fresh encoder are nearly the same for all images, too much so for a recurrent controller to tell
    items apart. Unlike batch normalisation it standardises by running statistics in training too, where no gradient
    goes through them.

    Args:
        features: width of the features.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardise `items x features`; in training the running statistics take these items in first."""
        if self.training and len(inputs):
            self._take_in(inputs.detach().to(self.mean.dtype))
        # not the buffers themselves, which the next items change before the gradient of these is taken
        return (inputs - self.mean.clone()) * (self.variance + LEAST_VARIANCE).rsqrt()

    @torch.no_grad()
    def _take_in(self, items: Tensor) -> None:
        self.batches += 1
        share = (1 / self.batches).clamp(min=NEWEST)  # the mean of the first ten batches, a moving average from there
        self.mean.lerp_(items.mean(0), share)
        self.variance.lerp_(items.var(0, unbiased=False), share)
