"""StructShot [YK20]: a nearest-neighbour tagger whose tags are weighed together by transitions counted on other types.

References:
    [YK20] Yang and Katiyar, Simple and Effective Few-Shot Named Entity Recognition with Structured Nearest Neighbor
        Learning, EMNLP 2020, section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from metamann.decoding.transitions import Transitions, cell_names, log_shares, tempered
from metamann.decoding.viterbi import viterbi
from metamann.episodes.episode import Classes, Examples
from metamann.episodes.sentences.tagging import TagScheme, check_scheme
from metamann.errors import ConfigError, check_number
from metamann.learners.adapters.adapter import Adapter, needs_mann
from metamann.learners.learner import Learner
from metamann.learners.mann import MannState


class StructShot(Adapter):
    """A learner over words that answers with the best tags of each sentence; for evaluating one that was trained.

    Args:
        learner: an encoder of text with a memory; `nearest` is the paper's.
        scheme: of the tags.
        counts: how often each move of the collapsed table is made by other types, or its share of its row.
        power: that the probabilities are raised to; the paper's tau.

    Raises:
        ConfigError: if moves are missing, one was never made, or the learner has no memory.

    Examples:
        >>> from metamann.encoders.spelling import SpellingEncoder
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.nearest import NearestMemory
        >>> learner = MANN(SpellingEncoder(), NearestMemory(features=27, code_width=2), code_width=2)
        >>> StructShot(learner, "io", counts=dict.fromkeys(cell_names("io"), 1.0), power=0.5).transitions.scheme
        'io'
    """

    def __init__(
        self,
        learner: Learner[Any],
        scheme: TagScheme,
        counts: Mapping[str, float],
        power: float,
    ) -> None:
        super().__init__(needs_mann(learner, "structshot"))
        check_scheme(scheme)
        check_number("adapter.power", power, least=0)
        names = cell_names(scheme)
        if set(counts) != set(names):
            raise ConfigError(f"adapter.counts needs a number above 0 for each of: {', '.join(names)}.")
        for name in names:
            check_number(f"adapter.counts.{name}", counts[name], least=0, above=True)
        shares = log_shares(torch.tensor([float(counts[name]) for name in names]), scheme)
        # counted, not learned: it moves with the module, but is no part of the checkpoint, which is the learner's
        self.transitions = Transitions(scheme, shares).requires_grad_(False)
        self.power = power

    def encode(self, inputs: Any) -> Any:
        """The sentences themselves, since their lengths are needed to decode the tags."""
        return inputs

    def on_features(self) -> StructShot:
        """Itself."""
        return self

    def adapt(self, support: Examples, classes: Classes, state: Any = None) -> Any:
        """As the learner inside; see `Learner.adapt`."""
        return self.learner.adapt(support, classes, state)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        """As the learner inside; see `Learner.predict`."""
        return self.learner.predict(state, inputs)

    @torch.no_grad()
    def answer(self, state: MannState, inputs: Any) -> Tensor:
        """The best tags of each sentence as a whole, `batch x queries x length`.

        Raises:
            ConfigError: for images.
        """
        if isinstance(inputs, Tensor):
            raise ConfigError("StructShot tags sentences; leave out adapter for images.")
        log_probs = self.predict(state, inputs)
        transitions = tempered(self.transitions(state.classes.ways, log_probs.shape[-1]), self.power)
        return viterbi(log_probs, transitions, inputs.present())
