"""The loss of taggers: the likelihood of the tags of a sentence under a conditional random field (CRF)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from metamann.decoding.crf import IMPOSSIBLE, log_partition
from metamann.decoding.transitions import TransitionScores
from metamann.episodes.episode import PADDING
from metamann.learners.learner import Loss


def sentence_loss(emissions: Tensor, transitions: TransitionScores, labels: Tensor, doubted: Tensor) -> Loss:
    """Negative log-likelihood of the labels of each sentence under a CRF; words in doubt may have any tag.

    Args:
        emissions: `batch x sentences x length x tags`, log scores.
        transitions: of the episodes.
        labels: `batch x sentences x length`, `PADDING` behind the last word of a sentence.
        doubted: `batch x sentences x length`.
    """
    present = labels != PADDING
    possible = F.one_hot(labels.clamp_min(0), emissions.shape[-1]).bool() | doubted.unsqueeze(-1)
    allowed = log_partition(emissions.masked_fill(~possible, IMPOSSIBLE), transitions, present)
    total = (log_partition(emissions, transitions, present) - allowed).sum()
    return Loss(total, ((emissions.argmax(-1) == labels) & present).sum())
