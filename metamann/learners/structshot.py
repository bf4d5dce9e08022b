"""StructShot [YK20]: a nearest-neighbour tagger whose tags are weighed together by transitions counted on other types.

References:
    [YK20] Yang and Katiyar, Simple and Effective Few-Shot Named Entity Recognition with Structured Nearest Neighbor
        Learning, EMNLP 2020, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from metamann.decoding.transitions import Transitions, cell_names, log_shares, tempered
from metamann.decoding.viterbi import viterbi
from metamann.episodes.sentences.tagging import TagScheme, check_scheme
from metamann.episodes.text import Text
from metamann.errors import ConfigError, check_number
from metamann.learners.mann import MANN, MannState
from metamann.memory.interface import Memory


class StructShot(MANN):
    """A MANN over words that answers with the best tags of each sentence; for evaluating one that was trained.

    Args:
        encoder: text to features.
        memory: `nearest` is the paper's.
        code_width: of the label codes.
        scheme: of the tags.
        counts: how often each move of the collapsed table is made by other types, or its share of its row.
        power: that the probabilities are raised to; the paper's tau.

    Raises:
        ConfigError: if moves are missing, or one was never made.
    """

    def __init__(
        self,
        encoder: nn.Module,
        memory: Memory[Any],
        code_width: int,
        scheme: TagScheme,
        counts: Mapping[str, float],
        power: float,
    ) -> None:
        super().__init__(encoder, memory, code_width)
        check_scheme(scheme)
        check_number("learner.power", power, least=0)
        names = cell_names(scheme)
        if set(counts) != set(names):
            raise ConfigError(f"learner.counts needs a number above 0 for each of: {', '.join(names)}.")
        for name in names:
            check_number(f"learner.counts.{name}", counts[name], least=0, above=True)
        shares = log_shares(torch.tensor([float(counts[name]) for name in names]), scheme)
        # counted, not learned: no part of what was trained
        self.transitions = [Transitions(scheme, shares).requires_grad_(False)]
        self.power = power

    @torch.no_grad()
    def answer(self, state: MannState, inputs: Tensor | Text) -> Tensor:
        """The best tags of each sentence as a whole, `batch x queries x length`.

        Raises:
            ConfigError: for images.
        """
        if not isinstance(inputs, Text):
            raise ConfigError("StructShot tags sentences; set learner=mann for images.")
        log_probs = self.predict(state, inputs)
        transitions = tempered(self.transitions[0](state.classes.ways, log_probs.shape[-1]), self.power)
        return viterbi(log_probs, transitions, inputs.present())
