"""A memory alone on a sequence task: bits in, bits out, no encoder and no labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.sequences.source import Sequences
from metamann.errors import ConfigError
from metamann.hardware import full_precision
from metamann.learners.learner import Loss, negative_log_likelihood
from metamann.memory.interface import Memory, Trace


class SequenceLearner(nn.Module):
    """A memory that sees the inputs as they are, and a linear layer from its reads to the bits of an answer.

    Args:
        memory: of features as wide as the inputs and label codes of width 0.
        bits: of an answer.

    Raises:
        ConfigError: if the memory reads nothing but labels.

    Examples:
        >>> from metamann.memory.controlled.none import ControllerOnly
        >>> learner = SequenceLearner(ControllerOnly(features=3, code_width=0, hidden=8), bits=2)
        >>> inputs, targets = torch.ones(1, 4, 3), torch.ones(1, 8, dtype=torch.int64)  # two bits a step
        >>> learner(Sequences(inputs, targets, torch.ones(1, 4, dtype=torch.bool))).shape
        torch.Size([1, 8, 2])
    """

    def __init__(self, memory: Memory[Any], bits: int) -> None:
        super().__init__()
        if memory.reads_label_mass:
            raise ConfigError(
                "this memory reads label codes, and sequences have none; choose one with a controller, such as "
                "memory=ntm, dnc, lrua or none."
            )
        self.memory = memory
        self.to_bits = nn.Linear(memory.read_width, bits)

    def forward(self, sequences: Sequences) -> Tensor:
        """Log-probabilities of 0 and 1 for each bit of each step, `batch x (steps * bits) x 2`."""
        with full_precision(sequences.inputs.device):
            reads, _ = self.memory.scan(*self._scanned(sequences))
            logits: Tensor = self.to_bits(reads).flatten(1)
            return torch.stack([F.logsigmoid(-logits), F.logsigmoid(logits)], -1)

    def loss(self, sequences: Sequences) -> Loss:
        """Negative log-likelihood of the target bits."""
        return negative_log_likelihood(self(sequences), sequences.targets)

    def trace(self, sequences: Sequences) -> Trace:
        """Read weights of the memory over the sequences."""
        with full_precision(sequences.inputs.device):
            return self.memory.trace(*self._scanned(sequences))

    def _scanned(self, sequences: Sequences) -> tuple[Any, Tensor, Tensor, Tensor]:
        """Fresh state, features, codes and mask, as a memory takes them."""
        inputs, _, mask = sequences
        no_codes = inputs.new_zeros(*mask.shape, 0)
        return self.memory.initial_state(len(mask), 0, inputs), inputs, no_codes, mask
