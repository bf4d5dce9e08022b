"""Statistics of the reads and writes of a memory over a batch of sequences."""

from __future__ import annotations

import torch
from torch import Tensor

from metamann.memory.interface import Trace

# a slot counts as in use if the sum of its write weights is at least this
IN_USE = 0.5


def memory_statistics(trace: Trace, mask: Tensor) -> dict[str, float]:
    """Read entropy and slots in use.

    Args:
        trace: of the memory.
        mask: `batch x steps`, true at items, false at padding.

    Returns:
        `read_entropy`: entropy of the read weights over the slots in nats, the mean over heads and steps. It is 0 if
        all weight is on one slot, and the logarithm of the number of slots if the weights are uniform. `slots_in_use`:
        number of slots whose write weights sum to at least 0.5, the mean over the batch. A statistic is missing if the
        memory has no such weights; the read weights of fast weights can be negative and have no entropy.
    """
    statistics: dict[str, float] = {}
    if trace.read_weights.numel() and trace.read_weights.min() >= 0:
        entropy = torch.special.entr(trace.read_weights).sum(-1)  # batch x heads x steps
        items = mask.unsqueeze(1).expand_as(entropy)
        statistics["read_entropy"] = entropy[items].mean().item()
    if trace.write_weights is not None:
        written = (trace.write_weights * mask[:, None, :, None]).sum((1, 2))
        statistics["slots_in_use"] = (written >= IN_USE).sum(-1).float().mean().item()
    return statistics
