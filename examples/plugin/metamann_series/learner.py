"""A learner without a memory: the nearest mean of the examples of a class (Snell et al. 2017, with its distance)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.episode import Classes, Examples
from metamann.errors import check_number
from metamann.learners.learner import Learner, log_probabilities
from metamann.memory.interface import Memory


class PrototypicalState(NamedTuple):
    """What a batch of episodes has taught.

    Attributes:
        sums: `batch x classes x features`, of the examples of each class.
        counts: `batch x classes`.
        classes: of each episode.
    """

    sums: Tensor
    counts: Tensor
    classes: Classes


class Prototypical(Learner[PrototypicalState]):
    """Answers by the squared distance from the mean of each class.

    Args:
        encoder: of one item.
        memory: not used; every learner is given one.
        code_width: likewise.
        sharpness: of the answers at the start of training; learned.
    """

    def __init__(self, encoder: nn.Module, memory: Memory, code_width: int, sharpness: float = 1.0) -> None:
        check_number("learner.sharpness", sharpness, least=0, above=True)
        super().__init__()
        self.encoder = encoder
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(sharpness)))
        self.never_seen = nn.Parameter(torch.tensor(-1.0))

    def adapt(self, support: Examples, classes: Classes, state: PrototypicalState | None = None) -> PrototypicalState:
        """Add the examples to the sums of their classes."""
        features = self.encoder(support.inputs)
        of_class = support.labels.unsqueeze(-1) == torch.arange(classes.codes.shape[1], device=features.device)
        sums, counts = of_class.float().transpose(1, 2) @ features, of_class.sum(1)
        if state is not None:
            newer = counts.shape[1] - state.counts.shape[1]
            sums = sums + F.pad(state.sums, (0, 0, 0, newer))
            counts = counts + F.pad(state.counts, (0, newer))
        return PrototypicalState(sums, counts, classes)

    def predict(self, state: PrototypicalState, inputs: Tensor) -> Tensor:
        """Log-probabilities, `batch x queries x classes`; a class without examples has a learned logit."""
        means = state.sums / state.counts.clamp_min(1).unsqueeze(-1)
        squares = (self.encoder(inputs).unsqueeze(2) - means.unsqueeze(1)).square().sum(-1)
        logits = torch.where(state.counts.unsqueeze(1) > 0, -squares * self.log_sharpness.exp(), self.never_seen)
        return log_probabilities(logits, state.classes)
