"""Random scores and every path there is, for tests of decoding."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from metamann.decoding.transitions import Transitions, TransitionScores, cell_names


def random_transitions(scheme: Any, ways: Tensor, tags: int, seed: int = 0) -> TransitionScores:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(len(cell_names(scheme)), generator=generator, dtype=torch.float64)
    module = Transitions(scheme, scores)
    with torch.no_grad():
        return module(ways, tags)


def random_emissions(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.log_softmax(3 * torch.randn(shape, generator=generator, dtype=torch.float64), -1)


def all_paths(emissions: Tensor, start: Tensor, matrix: Tensor) -> dict[tuple[int, ...], float]:
    """Score of every sequence of tags of one sentence, `length x tags`, added up one move at a time."""
    e, s, m = emissions.tolist(), start.tolist(), matrix.tolist()
    scores = {}
    for path in itertools.product(range(len(s)), repeat=len(e)):
        total = s[path[0]] + e[0][path[0]]
        for step in range(1, len(path)):
            total += m[path[step - 1]][path[step]] + e[step][path[step]]
            if total == -math.inf:
                break
        scores[path] = total
    return scores
