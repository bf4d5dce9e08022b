"""Stacking: how far to trust each source of evidence, fitted on answers for left-out examples [W92].

    theta = argmin over t of  sum over i of w_i log(1 + exp(-y_i t.e_i))  +  1/2 sum over s of p_s (t_s - m_s)^2

A source says for each labelled example how much speaks for it, e_i, as if the example had not been seen. The few
factors that fit these best are found by Newton's method, starting at m, which is learned with its precision p over
many tasks: with few examples the factors stay close to what held in other tasks.

References:
    [W92] Wolpert, Stacked Generalization, Neural Networks 5, 1992.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NEWTON_STEPS = 4
LEAST_CURVATURE = 0.02  # of one example: a Newton step where all are certain would be too long


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

    def forward(self, evidence: Tensor, positive: Tensor, weights: Tensor, statistics: Tensor) -> Tensor:
        """Factors, `batch x sources`.

        Args:
            evidence: of each source for each left-out example, `batch x examples x sources`.
            positive: whether it is one, `batch x examples`.
            weights: of the examples, `batch x examples`; 0 for padding.
            statistics: of the task, `batch x statistics`.
        """
        expected = self.start + self.of_statistics(statistics)
        precision = self.log_precision.exp()
        factors: Tensor = expected
        targets = positive.to(evidence.dtype)
        for _ in range(NEWTON_STEPS):
            probability = (evidence @ factors.unsqueeze(-1)).squeeze(-1).sigmoid()
            slope = ((probability - targets) * weights).unsqueeze(1) @ evidence
            curvature = weights * (probability * (1 - probability)).clamp_min(LEAST_CURVATURE)
            hessian = (evidence * curvature.unsqueeze(-1)).transpose(1, 2) @ evidence + precision.diag()
            step = torch.linalg.solve(hessian, slope.squeeze(1) + precision * (factors - expected))
            factors = factors - step
        return factors
