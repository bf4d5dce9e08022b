"""Stacking: how far to trust each source of evidence, fitted on answers for left-out examples [W92].

    theta = argmin over t of  sum over i of w_i log(1 + exp(-y_i t.e_i))  +  1/2 sum over s of p_s (t_s - m_s)^2

A source says for each labelled example how much speaks for it, e_i, as if the example had not been seen. The few
factors that fit these best are found by Newton's method, starting at m, which is learned with its precision p over
many tasks: with few examples the factors stay close to what held in other tasks. A step is shortened where it would not
lower the loss.

References:
    [W92] Wolpert, Stacked Generalization, Neural Networks 5, 1992.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NEWTON_STEPS = 5
SHARES = (1.0, 0.5, 0.25, 0.125, 0.0)  # of a Newton step, which overshoots where the loss is nearly flat


class Stacking(nn.Module):
    """Factors of the sources of evidence, for each task.

    Args:
        start: the factor of each source at the start of training; the first is of the constant 1.
        precision: of all factors at the start of training.
        statistics: numbers that describe a task, on which the expected factors depend linearly.

    Examples:
        >>> stacking = Stacking(start=[0.0, 1.0], precision=1.0, statistics=0)
        >>> evidence, inside = torch.tensor([[[1.0, 2.0], [1.0, -2.0]]]), torch.tensor([[True, False]])
        >>> factors = stacking(evidence, inside, torch.ones(1, 2), torch.zeros(1, 0))
        >>> bool(factors[0, 1] > 1)  # it was right about both
        True
    """

    def __init__(self, start: list[float], precision: float, statistics: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.tensor(start))
        self.log_precision = nn.Parameter(torch.tensor(precision).log().repeat(len(start)))
        self.of_statistics = nn.Linear(statistics, len(start), bias=False)
        nn.init.zeros_(self.of_statistics.weight)

    def expected(self, statistics: Tensor) -> Tensor:
        """Factors before any example, `batch x sources`.

        Args:
            statistics: of the task, `batch x statistics`.
        """
        return self.start + cast(Tensor, self.of_statistics(statistics))

    def forward(self, evidence: Tensor, positive: Tensor, weights: Tensor, statistics: Tensor) -> Tensor:
        """Factors, `batch x sources`.

        Args:
            evidence: of each source for each left-out example, `batch x examples x sources`.
            positive: whether it is one, `batch x examples`.
            weights: of the examples, `batch x examples`; 0 for padding.
            statistics: of the task, `batch x statistics`.
        """
        expected = self.expected(statistics)
        precision = self.log_precision.exp()
        signed = torch.where(positive, 1.0, -1.0).unsqueeze(-1) * evidence
        factors = expected
        for _ in range(NEWTON_STEPS):
            wrong = (-_logits(signed, factors)).sigmoid()
            slope = precision * (factors - expected) - ((weights * wrong).unsqueeze(1) @ signed).squeeze(1)
            curvature = (weights * wrong * (1 - wrong)).unsqueeze(-1)
            step = torch.linalg.solve((signed * curvature).transpose(1, 2) @ signed + precision.diag(), slope)
            with torch.no_grad():
                tried = torch.stack([factors - share * step for share in SHARES])
                misfit = (weights * F.softplus(-_logits(signed, tried))).sum(-1)
                losses = misfit + (precision * (tried - expected).square()).sum(-1) / 2
                share = factors.new_tensor(SHARES)[losses.argmin(0)].unsqueeze(-1)
            factors = factors - share * step
        return factors


def _logits(evidence: Tensor, factors: Tensor) -> Tensor:
    return (evidence @ factors.unsqueeze(-1)).squeeze(-1)
