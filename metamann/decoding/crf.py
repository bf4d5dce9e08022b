"""Linear-chain conditional random field [L01]: the likelihood of a sequence of tags among all sequences.

References:
    [L01] Lafferty, McCallum and Pereira, Conditional Random Fields, 2001.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metamann.decoding.transitions import TransitionScores
from metamann.episodes.episode import PADDING

# in place of minus infinity, whose sums have no gradient: exp of it is 0 in every precision
IMPOSSIBLE = -1e6


def log_likelihood(emissions: Tensor, transitions: TransitionScores, labels: Tensor) -> Tensor:
    """Log-probability of the labels of each sentence.

    Args:
        emissions: `batch x sentences x length x tags`, log scores.
        transitions: of the episodes.
        labels: `batch x sentences x length`, `PADDING` behind the last word of a sentence.

    Returns:
        `batch x sentences`, 0 for padding.
    """
    score = path_score(emissions, transitions, labels)
    return score - log_partition(emissions, transitions, labels != PADDING)


def log_marginals(emissions: Tensor, transitions: TransitionScores, present: Tensor) -> Tensor:
    """Log-probability of each tag of each word, whatever the other tags are, by forward and backward sums.

    Args:
        emissions: `batch x sentences x length x tags`, log scores.
        transitions: of the episodes.
        present: `batch x sentences x length`, false behind the last word of a sentence.

    Returns:
        `batch x sentences x length x tags`; minus infinity for tags that have no score, any numbers where there is no
        word.
    """
    impossible = emissions == -torch.inf
    emissions, (start, matrix) = _finite(emissions), map(_finite, transitions)
    length = emissions.shape[2]
    if length == 0:
        return emissions
    forward = [start.unsqueeze(1) + emissions[:, :, 0]]
    for step in range(1, length):
        arrived = torch.logsumexp(forward[-1].unsqueeze(-1) + matrix.unsqueeze(1), -2) + emissions[:, :, step]
        forward.append(torch.where(present[:, :, step, None], arrived, forward[-1]))
    backward = [torch.zeros_like(forward[0])]
    for step in range(length - 1, 0, -1):
        ahead = (emissions[:, :, step] + backward[-1]).unsqueeze(-2)
        before = torch.logsumexp(matrix.unsqueeze(1) + ahead, -1)
        backward.append(torch.where(present[:, :, step, None], before, backward[-1]))
    scores = torch.stack(forward, 2) + torch.stack(backward[::-1], 2)
    return torch.log_softmax(scores.masked_fill(impossible, -torch.inf), -1)


def path_score(emissions: Tensor, transitions: TransitionScores, labels: Tensor) -> Tensor:
    """Sum of emissions and transitions along the labels, `batch x sentences`; see `log_likelihood`."""
    emissions, (start, matrix) = _finite(emissions), map(_finite, transitions)
    if emissions.shape[2] == 0:
        return emissions.new_zeros(emissions.shape[:2])
    present, tags = labels != PADDING, labels.clamp_min(0)
    emitted = emissions.gather(-1, tags.unsqueeze(-1)).squeeze(-1)
    begun = start.gather(1, tags[:, :, 0])
    episode = torch.arange(len(tags), device=tags.device).view(-1, 1, 1)
    moved = matrix[episode, tags[:, :, :-1], tags[:, :, 1:]]
    moves = torch.cat([begun.unsqueeze(-1), moved], -1)
    return ((emitted + moves) * present).sum(-1)


def log_partition(emissions: Tensor, transitions: TransitionScores, present: Tensor) -> Tensor:
    """Log of the sum over all sequences of tags, by the forward algorithm, `batch x sentences`; 0 for padding.

    Args:
        emissions: `batch x sentences x length x tags`, log scores.
        transitions: of the episodes.
        present: `batch x sentences x length`, false behind the last word of a sentence.
    """
    emissions, (start, matrix) = _finite(emissions), map(_finite, transitions)
    if emissions.shape[2] == 0:
        return emissions.new_zeros(emissions.shape[:2])
    forward = start.unsqueeze(1) + emissions[:, :, 0]
    for step in range(1, emissions.shape[2]):
        arrived = torch.logsumexp(forward.unsqueeze(-1) + matrix.unsqueeze(1), -2) + emissions[:, :, step]
        forward = torch.where(present[:, :, step, None], arrived, forward)
    return torch.logsumexp(forward, -1) * present[:, :, 0]


def _finite(scores: Tensor) -> Tensor:
    return scores.clamp_min(IMPOSSIBLE)
