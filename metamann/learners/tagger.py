"""The tagger of fixed classes: encoder, external memory, decoder, tags. Each sentence starts with a fresh memory.

    h_t = encoder(x)_t                    a bidirectional LSTM or GRU, or a pretrained model
    r_t = memory step at h_t              what it reads, and the state of its controller
    s_t = decoder([h_t; r_t], s_{t-1})    an LSTM or GRU; h_t holds the word itself where the encoder hands it on
    tags: a linear layer of s_t, weighed together by transitions [MH16]

Supervised tagging is an episode with an empty support and fixed class numbers: there are no labels to store,
and the memory is working memory over the words of a sentence, written and read word by word.

References:
    [MH16] Ma and Hovy, End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF, 2016.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from metamann.decoding.crf import log_marginals
from metamann.decoding.transitions import Transitions, TransitionScores
from metamann.decoding.viterbi import viterbi
from metamann.encoders.recurrent import CELLS
from metamann.episodes.episode import Classes, Episode, Examples
from metamann.episodes.sentences.tagging import TagScheme, check_scheme
from metamann.episodes.text import Text
from metamann.errors import ConfigError, check_choice, check_number, check_size
from metamann.hardware import full_precision
from metamann.learners.learner import Learner, Loss
from metamann.learners.sentence_loss import sentence_loss
from metamann.memory.interface import Memory


class TaggerState(NamedTuple):
    """Nothing but the tags there are.

    Attributes:
        tags: of each episode, the same in all.
    """

    tags: Classes


class Tagger(Learner[TaggerState, Text]):
    """Encoder, memory, decoder and transitions.

    Args:
        encoder: text to features.
        memory: of features and label codes of width 0.
        tags: how many there are, O included.
        scheme: of the tags.
        decoder: `lstm` or `gru`.
        hidden: width of the decoder.
        dropout: share of the decoder's states dropped, in training.

    Raises:
        ConfigError: if an option is unknown, or the memory reads nothing but labels.

    Examples:
        >>> from metamann.encoders.spelling import SpellingEncoder
        >>> from metamann.memory.controlled.none import ControllerOnly
        >>> encoder = SpellingEncoder()
        >>> tagger = Tagger(encoder, ControllerOnly(encoder.features, code_width=0, hidden=8), tags=3, hidden=8)
        >>> tags = Classes.one_hot(batch=1, classes=3)  # O, B and I of one type
        >>> tagger.answer(TaggerState(tags), Text.of([["Anna", "sings"]], lexicon=("Anna", "sings"))).shape
        torch.Size([1, 1, 2])
    """

    takes_support: ClassVar[bool] = False

    def __init__(
        self,
        encoder: nn.Module,
        memory: Memory[Any],
        tags: int,
        scheme: TagScheme = "bio",
        decoder: Literal["lstm", "gru"] = "lstm",
        hidden: int = 200,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        check_scheme(scheme)
        check_choice("learner.decoder", decoder, tuple(CELLS))
        check_size("learner.hidden", hidden)
        check_number("learner.dropout", dropout, least=0, most=1)
        if memory.reads_label_mass:
            raise ConfigError(
                "this memory reads label codes, and a tagger of fixed classes has none; choose one with a "
                "controller, such as memory=additive, ntm, lrua or none."
            )
        self.encoder, self.memory, self.tags = encoder, memory, tags
        self.decoder = CELLS[decoder](int(encoder.features) + memory.read_width, hidden, batch_first=True)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)
        self.to_tags = nn.Linear(hidden, tags)
        self.transitions = Transitions(scheme)

    def adapt(self, support: Examples, classes: Classes, state: TaggerState | None = None) -> TaggerState:
        """Take the tags as they are numbered.

        Raises:
            ConfigError: if there is something to learn from, or the tags are others than those trained on.
        """
        if support.labels.numel() or classes.codes.shape[1] != self.tags:
            raise ConfigError(
                f"this tagger has {self.tags} fixed tags and learns no new ones from a support set; set "
                "protocol=supervised and data= to sentences of the same types, or learner=sentence_mann."
            )
        return TaggerState(classes)

    def predict(self, state: TaggerState, inputs: Text) -> Tensor:
        """Log-probability of each tag of each word among all tags of its sentence; see `Learner.predict`."""
        with full_precision(inputs.words.device):
            return log_marginals(*self._scores(state, inputs), inputs.present())

    def answer(self, state: TaggerState, inputs: Text) -> Tensor:
        """The best tags of each sentence as a whole, `batch x queries x length`; always legal."""
        return viterbi(*self._scores(state, inputs), inputs.present())

    def loss(self, episodes: Episode) -> Loss:
        """Negative log-likelihood of the tags of each sentence."""
        scores = self._scores(self.adapt(episodes.support, episodes.classes), episodes.query.inputs)
        labels = episodes.query.labels
        with full_precision(labels.device):
            return sentence_loss(*scores, labels, torch.zeros_like(labels, dtype=torch.bool))

    def _scores(self, state: TaggerState, text: Text) -> tuple[Tensor, TransitionScores]:
        """Score of each tag of each word, and the transitions."""
        encoded: Tensor = self.encoder(text)
        with full_precision(encoded.device):
            features, present = encoded.flatten(0, 1), text.present().flatten(0, 1)
            fresh = self.memory.initial_state(len(features), 0, features)
            reads, _ = self.memory.scan(fresh, features, features.new_zeros(*present.shape, 0), present)
            decoded, _ = self.decoder(torch.cat([features, reads], -1))
            emissions = self.to_tags(self.dropout(decoded)).view(*encoded.shape[:-1], self.tags)
            return emissions, self.transitions(state.tags.ways, self.tags)
