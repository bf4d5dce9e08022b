"""A few-shot tagger without one of its parts: to measure what the part contributes to one trained with it."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from metamann.episodes.episode import PADDING, Classes, Examples
from metamann.episodes.sentences.tagging import OUTSIDE
from metamann.episodes.text import Text
from metamann.errors import ConfigError, check_choice
from metamann.learners.adapters.adapter import Adapter
from metamann.learners.evidence import SOURCES, SupportEvidence
from metamann.learners.learner import Learner, Reading
from metamann.learners.sentence_mann import SentenceMANN, SentenceState

PARTS = ("non_entities", "labels", "support", "detector", "trust")
SHUFFLE_SEED = 0


class Ablated(Adapter):
    """A `SentenceMANN` without a part.

    Args:
        learner: the tagger.
        without: `non_entities`: words outside of entities are not written; `labels`: the labels of the support are
            shuffled among its words; `support`: the detector alone says what is inside; `detector`: the support alone
            says so; `trust`: the factors of the sources are those expected for such a task, not fitted on its
            left-out sentences.

    Raises:
        ConfigError: for another learner, or no such part.

    Examples:
        >>> from metamann.encoders.spelling import SpellingEncoder
        >>> from metamann.memory.pairs.nearest import NearestMemory
        >>> tagger = SentenceMANN(SpellingEncoder(), NearestMemory(features=27, code_width=2), code_width=2)
        >>> Ablated(tagger, without="detector").without
        'detector'
    """

    def __init__(self, learner: Learner[Any], without: str) -> None:
        if not isinstance(getattr(learner, "evidence", None), SupportEvidence):
            raise ConfigError(
                f"adapter=ablated needs learner=sentence_mann, not {type(learner).__name__}; choose another checkpoint "
                "or leave out adapter."
            )
        super().__init__(learner)
        check_choice("adapter.without", without, PARTS)
        self.without = without

    def adapt(self, support: Examples, classes: Classes, state: SentenceState | None = None) -> SentenceState:
        """As the learner inside, without the part; see `Learner.adapt`."""
        labels = support.labels
        if self.without == "non_entities":
            labels = labels.masked_fill(labels == OUTSIDE, PADDING)
        elif self.without == "labels":
            labels = _shuffled(labels)
        state = self._tagger().adapt(support._replace(labels=labels), classes, state)
        evidence, decides = state.evidence, self._tagger().evidence
        if self.without == "support":
            evidence = decides.fit(evidence, _all_but(evidence.factors, "ridge", "attention"))
        elif self.without == "detector":
            evidence = decides.fit(evidence, _all_but(evidence.factors, "detector"))
        elif self.without == "trust":
            evidence = evidence._replace(factors=decides.stacking.expected(decides.statistics(evidence)))
        return state._replace(evidence=evidence)

    def predict(self, state: SentenceState, inputs: Text) -> Tensor:
        """As the learner inside; see `Learner.predict`."""
        return self._tagger().predict(state, inputs)

    def answer(self, state: SentenceState, inputs: Text) -> Tensor:
        """As the learner inside; see `Learner.answer`."""
        return self._tagger().answer(state, inputs)

    def reading(self, state: SentenceState, inputs: Text) -> Reading:
        """As the learner inside; see `Learner.reading`."""
        return self._tagger().reading(state, inputs)

    def _tagger(self) -> SentenceMANN:
        return cast(SentenceMANN, self.learner)


def _all_but(factors: Tensor, *sources: str) -> Tensor:
    """1 for each source but these, `sources`."""
    return factors.new_tensor([0.0 if source in sources else 1.0 for source in SOURCES])


def _shuffled(labels: Tensor) -> Tensor:
    """The labels of each episode, in another order of its words, which is the same whenever it is asked for."""
    generator = torch.Generator().manual_seed(SHUFFLE_SEED)
    shuffled = labels.clone()
    for episode in shuffled:
        words = episode != PADDING
        order = torch.randperm(int(words.sum()), generator=generator)
        episode[words] = episode[words][order.to(labels.device)]
    return shuffled
