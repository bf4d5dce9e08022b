"""What a memory did over a batch of sequences, in numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from metamann.memory.interface import Trace

# a slot counts as in use once it was written with this much weight in all
IN_USE = 0.5


def memory_statistics(trace: Trace, mask: Tensor) -> dict[str, float]:
    """Read entropy and slots in use.

    Args:
        trace: of the memory.
        mask: `batch x steps`, true where there was an item.

    Returns:
        `read_entropy`: of the read weights over the slots, nats, the mean over heads and steps; 0 where one slot takes
        the whole read, the logarithm of the number of slots where all are read alike. `slots_in_use`: slots that were
        written with a weight of at least 0.5 in all, the mean over the batch. Each only if the memory has such weights:
        the shares of fast weights, which may be negative, have no entropy.
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
