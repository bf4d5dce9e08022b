"""The best sequence of tags for every sentence of a batch at once [V67].

References:
    [V67] Viterbi, Error Bounds for Convolutional Codes and an Asymptotically Optimum Decoding Algorithm, 1967.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metamann.decoding.transitions import TransitionScores
from metamann.episodes.episode import PADDING


@torch.no_grad()
def viterbi(emissions: Tensor, transitions: TransitionScores, present: Tensor) -> Tensor:
    """Tags with the highest sum of emissions and transitions; of equals, the lowest numbers at the end.

    Args:
        emissions: `batch x sentences x length x tags`, log scores; O must be finite.
        transitions: of the episodes.
        present: `batch x sentences x length`, false behind the last word of a sentence.

    Returns:
        `batch x sentences x length`, `PADDING` where there is no word.
    """
    length, tags = emissions.shape[2:]
    if length == 0:
        return torch.zeros_like(present, dtype=torch.int64)
    matrix = transitions.matrix.unsqueeze(1)  # batch x 1 x from x to
    stay = torch.arange(tags, device=emissions.device).expand(*emissions.shape[:2], tags)
    best = transitions.start.unsqueeze(1) + emissions[:, :, 0]
    came_from = []
    for step in range(1, length):
        scores, sources = (best.unsqueeze(-1) + matrix).max(-2)
        there = present[:, :, step, None]
        best = torch.where(there, scores + emissions[:, :, step], best)
        came_from.append(torch.where(there, sources, stay))
    path = [best.argmax(-1, keepdim=True)]
    for sources in reversed(came_from):
        path.append(sources.gather(-1, path[-1]))
    return torch.cat(path[::-1], -1).masked_fill(~present, PADDING)
