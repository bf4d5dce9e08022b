"""The few-shot tagger: the words of the support say what is an entity, and its entities, in memory, of which type.

    p(inside)    = sigmoid(evidence of the support, on top of a detector that all types share)      `SupportEvidence`
    p(kind)      = softmax(detector(x))                                    kinds I under `io`, B and I under `bio`
    p(class)     = softmax over the classes of the episode (what the memory reads for x + what the evidence says)
    p(tag)       = p(inside) p(kind of the tag) p(class of the tag)        1 - p(inside) for O

Much of what is an entity does not depend on the episode: that is the detector, which learns from all entities of a
batch. The rest, such as types that the task leaves out or a field of its own, only the support can tell. The memory
holds the entities of the support alone, in random label codes if the protocol draws them. Tags of a sentence are
weighed together by transitions that know no type [H20], learned by the likelihood of a CRF.

References:
    [H20] Hou et al., Few-shot Slot Tagging with Collapsed Dependency Transfer, 2020.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.decoding.crf import log_marginals
from metamann.decoding.transitions import Transitions, TransitionScores
from metamann.decoding.viterbi import viterbi
from metamann.encoders.spelling import SpellingEncoder, capitalised
from metamann.episodes.episode import PADDING, Classes, Episode, Examples
from metamann.episodes.sentences.tagging import OUTSIDE, TagScheme, check_scheme, n_tags
from metamann.episodes.text import Text
from metamann.errors import check_number, check_size
from metamann.hardware import full_precision
from metamann.learners.evidence import EvidenceRead, EvidenceState, SupportEvidence, word_groups
from metamann.learners.heads import LabelMassHead, LinearHead
from metamann.learners.learner import Learner, Loss, Reading
from metamann.learners.mann import positions
from metamann.learners.sentence_loss import sentence_loss
from metamann.memory.interface import Memory
from metamann.memory.pairs.pairs import at_slots, in_order, of_examples

SPELLING = 3.0  # times its flags, beside features of unit variance
LEAST = 1e-6  # of a mass, before its logarithm


class SentenceState(NamedTuple):
    """What was learned from the supports of a batch of episodes.

    Attributes:
        memory: state of the external memory.
        evidence: what the words of the support say of inside and outside.
        tags: the tags of each episode.
        classes: the classes of entities, one for `I`, or for `B` and `I`, of each.
    """

    memory: Any
    evidence: EvidenceState
    tags: Classes
    classes: Classes


class _Words(NamedTuple):
    """What is made of each word by itself, all `batch x positions x ...`.

    Attributes:
        features: of the encoder.
        inputs: of the evidence.
        kinds: what the detector says of the kinds of tags, logits.
    """

    features: Tensor
    inputs: Tensor
    kinds: Tensor

    def prior(self) -> Tensor:
        """Logit of inside, `batch x positions`."""
        return self.kinds[..., 1:].logsumexp(-1) - self.kinds[..., 0]


class SentenceMANN(Learner[SentenceState, Text]):
    """Encoder, detector, external memory and transitions.

    Args:
        encoder: text to features.
        memory: writes pairs of features and label code, reads for features.
        code_width: of the label codes, for memories whose reads need a learned head.
        scheme: of the tags.
        doubt: share of the capitalised words outside of entities whose tag is left open in training. Entities of types
            that a split must not know stand as O; so a capitalised O is often none.
        hidden: width of the detector's hidden layer.
        ridge_width: of the keys of words for ridge regression, inside against outside.
        key_width: of their keys for attention.
        dropout: share of the inputs of the detector and of the evidence dropped, in training.
        support_loss: weight, in the loss of training, of the words of the support: each is said to be inside or outside
            by what is known without its own sentence.
        label_names: write the words of each type's name into memory too, as if they were entities of it.
        name_dropout: share of the episodes without names, in training: so that names help and are not needed.

    Raises:
        ConfigError: if an option has no such value.

    Examples:
        >>> from metamann.memory.pairs.nearest import NearestMemory
        >>> encoder = SpellingEncoder()
        >>> learner = SentenceMANN(encoder, NearestMemory(encoder.features, code_width=2), code_width=2)
        >>> sentences, tags = Text.of([["Anna", "sings"]], lexicon=("Anna", "sings")), torch.tensor([[[1, 0]]])
        >>> state = learner.adapt(Examples(sentences, tags), Classes.one_hot(batch=1, classes=2))  # O and I
        >>> learner.predict(state, sentences).shape
        torch.Size([1, 1, 2, 2])
    """

    def __init__(
        self,
        encoder: nn.Module,
        memory: Memory[Any],
        code_width: int,
        scheme: TagScheme = "io",
        doubt: float = 0.0,
        hidden: int = 128,
        ridge_width: int = 128,
        key_width: int = 64,
        dropout: float = 0.1,
        support_loss: float = 0.3,
        label_names: bool = False,
        name_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_scheme(scheme)
        check_number("learner.doubt", doubt, least=0, most=1)
        check_size("learner.hidden", hidden)
        check_size("learner.ridge_width", ridge_width)
        check_size("learner.key_width", key_width)
        check_number("learner.dropout", dropout, least=0, most=1)
        check_number("learner.support_loss", support_loss, least=0)
        self.support_loss = support_loss
        self.scheme: TagScheme = scheme
        self.doubt = doubt
        check_number("learner.name_dropout", name_dropout, least=0, most=1)
        self.label_names, self.name_dropout = label_names, name_dropout
        self.encoder, self.memory = encoder, memory
        self.head = (
            LabelMassHead()
            if memory.reads_label_mass
            else LinearHead(memory.read_width, code_width, memory.code_readout())
        )
        self.spelling = SpellingEncoder()
        features, kinds = int(encoder.features), n_tags(scheme, 1)  # type: ignore[arg-type]
        self.detector = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(features + self.spelling.features, hidden),
            nn.GELU(),
            nn.Linear(hidden, kinds),
        )
        self.norm, self.dropout = nn.LayerNorm(features), nn.Dropout(dropout)
        self.evidence = SupportEvidence(features + self.spelling.features, ridge_width, key_width)
        self.transitions = Transitions(scheme)

    def adapt(self, support: Examples, classes: Classes, state: SentenceState | None = None) -> SentenceState:
        """Write the entities of the support into memory, and all its words as evidence; see `Learner.adapt`."""
        words, labels = self._words(support.inputs), support.labels
        types = self._types(classes)
        ways = types.codes.shape[1]
        known = torch.zeros_like(types.ways) if state is None else state.classes.ways
        if state is None:
            fresh = self.memory.initial_state(len(labels), types.codes.shape[-1], words.features)
            no_words = self.evidence.initial_state(len(labels), ways, words.inputs)
            state = SentenceState(fresh, no_words, classes, types)
        of_type = torch.where(labels > OUTSIDE, self._class_of(labels) + 1, labels)
        groups = word_groups(of_type, capitalised(support.inputs)).flatten(1)
        present = labels != PADDING
        starts = (present & (present.cumsum(-1) == 1)).flatten(1)
        numbers = of_type.flatten(1)
        written, entities = in_order(present.flatten(1)), in_order(numbers > OUTSIDE)
        with full_precision(labels.device):
            of_class = numbers.gather(1, entities) - 1
            pairs = _at(words.features, entities), types.of_labels(of_class), of_class >= 0
            memory = self.memory.write(state.memory, *pairs)
            if self.label_names and types.names is not None:
                memory = self._write_names(memory, types, known)
            parts = (part.gather(1, written) for part in (words.prior(), numbers, groups, starts))
            evidence = self.evidence.widened(state.evidence, ways)
            evidence = self.evidence.write(evidence, _at(words.inputs, written), *parts)
        return SentenceState(memory, evidence, classes, types)

    def predict(self, state: SentenceState, inputs: Text) -> Tensor:
        """Log-probability of each tag of each word among all tags of its sentence; see `Learner.predict`."""
        with full_precision(inputs.words.device):
            return log_marginals(*self._scores(state, inputs), inputs.present())

    def answer(self, state: SentenceState, inputs: Text) -> Tensor:
        """The best tags of each sentence as a whole, `batch x queries x length`; always legal."""
        with full_precision(inputs.words.device):
            return viterbi(*self._scores(state, inputs), inputs.present())

    @torch.no_grad()
    def reading(self, state: SentenceState, inputs: Text) -> Reading:
        """What spoke for an entity, and for each type, and the nearest words of the support; see `Learner.reading`."""
        words = self._words(inputs)
        with full_precision(inputs.words.device):
            read = self.evidence.read(state.evidence, words.inputs, words.prior())
            classes = self._of_class(state, words.features, read).exp()
            nearest, cosines = self.evidence.nearest(state.evidence, words.inputs)
        shape = inputs.words.shape
        return Reading(*(part.view(*shape, -1) for part in (read.sources, classes, nearest, cosines)))

    @property
    def can_forget(self) -> bool:
        """Whether its memory can, and holds words of the support alone; see `Learner.can_forget`."""
        return self.memory.can_forget and not self.label_names

    def forget(self, state: SentenceState, taken: Tensor) -> SentenceState:
        """Take words out, of the memory and of the evidence; see `Learner.forget`."""
        at_words = at_slots(taken, state.evidence.present()).unsqueeze(1)
        of_entities = of_examples(at_words, state.evidence.inside()).squeeze(1)
        memory = self.memory.forget(state.memory, of_entities)
        return state._replace(memory=memory, evidence=self.evidence.forget(state.evidence, taken))

    def read_weights(self, state: SentenceState, inputs: Text) -> Tensor:
        """Shares of the words of the support in what attention reads; see `Learner.read_weights`.

        Where the memory of entities names single words, the shares of those inside are divided among them as that
        memory reads them: together they say whether a word is in an entity, and then in one of which type.
        """
        words = self._words(inputs)
        with full_precision(inputs.words.device):
            weights = self.evidence.attention(state.evidence, words.inputs)
            of_type = None if self.label_names else self.memory.read_weights(state.memory, words.features)
        if of_type is not None:
            inside = state.evidence.inside().unsqueeze(1)
            end = of_type.shape[-1]
            number = (inside.cumsum(-1) - 1).clamp_max(end).where(inside, end).expand_as(weights)
            share = F.pad(of_type / of_type.sum(-1, keepdim=True).clamp_min(LEAST), (0, 1)).gather(2, number)
            weights = torch.where(inside, (weights * inside).sum(-1, keepdim=True) * share, weights)
        return of_examples(weights, state.evidence.present()).view(*inputs.words.shape, -1)

    def loss(self, episodes: Episode) -> Loss:
        """Negative log-likelihood of the tags of each sentence, over all tags of the words that are in doubt.

        The words of the support count too, each as inside or outside by what is known without its own sentence.
        """
        state = self.adapt(episodes.support, episodes.classes)
        text, labels = episodes.query.inputs, episodes.query.labels
        with full_precision(text.words.device):
            emissions, transitions = self._scores(state, text)
            of_query = sentence_loss(emissions, transitions, labels, self._doubted(text, labels))
            return Loss(
                of_query.total + self.support_loss * self._support_loss(state, episodes.support), of_query.right
            )

    def _support_loss(self, state: SentenceState, support: Examples) -> Tensor:
        """Negative log-likelihood of inside and outside for the words of the support, each sentence left out."""
        certain = ~self._doubted(support.inputs, support.labels).flatten(1)
        certain = certain.gather(1, in_order(support.labels.flatten(1) != PADDING)) & state.evidence.present()
        logits = (self.evidence.left_out(state.evidence).sources @ state.evidence.factors.unsqueeze(-1)).squeeze(-1)
        inside = state.evidence.inside().to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, inside, certain.to(logits.dtype), reduction="sum")

    def _scores(self, state: SentenceState, text: Text) -> tuple[Tensor, TransitionScores]:
        """Log-probability of each tag of each word by itself, and the transitions."""
        words = self._words(text)
        with full_precision(text.words.device):
            emissions = self._emissions(state, words).view(*text.words.shape, -1)
            return emissions, self.transitions(state.tags.ways, emissions.shape[-1])

    def _emissions(self, state: SentenceState, words: _Words) -> Tensor:
        read = self.evidence.read(state.evidence, words.inputs, words.prior())
        inside = read.sources.sum(-1, keepdim=True)
        any_class = state.evidence.observed().any(1).view(-1, 1, 1)
        outside = torch.where(any_class, F.logsigmoid(-inside), 0.0)
        of_kind = F.logsigmoid(inside) + words.kinds[..., 1:].log_softmax(-1)
        # batch x positions x classes x kinds of entity tags, in the order of the tags
        of_class = self._of_class(state, words.features, read)
        tags = (of_class.unsqueeze(-1) + of_kind.unsqueeze(-2)).flatten(2)
        return torch.cat([outside, tags], -1)

    def _of_class(self, state: SentenceState, features: Tensor, read: EvidenceRead) -> Tensor:
        """Log-probability of each class among those observed, for words inside of entities."""
        observed = state.evidence.observed().unsqueeze(1)
        reads = self.memory.read(state.memory, features)
        by_memory: Tensor = self.head(reads, state.classes, observed.expand(-1, features.shape[1], -1))
        lowest = torch.finfo(by_memory.dtype).min
        of_class = (by_memory + read.types).masked_fill(~observed, lowest)
        return of_class.log_softmax(-1).masked_fill(~observed, -torch.inf)

    def _write_names(self, memory: Any, types: Classes, known: Tensor) -> Any:
        """Write the names of the types that were not known before."""
        assert types.names is not None
        numbers = torch.arange(types.names.words.shape[1], device=known.device).expand(len(known), -1)
        new = types.names.present() & (numbers >= known.unsqueeze(1)).unsqueeze(-1)
        if self.training and self.name_dropout:
            new &= torch.rand(len(known), 1, 1, device=known.device) >= self.name_dropout
        labels = numbers.unsqueeze(-1).where(new, PADDING).flatten(1)
        return self.memory.write(memory, positions(self.encoder(types.names)), types.of_labels(labels), labels >= 0)

    def _doubted(self, text: Text, labels: Tensor) -> Tensor:
        """True for the words whose tag is left open."""
        if not self.training or self.doubt == 0:
            return torch.zeros_like(labels, dtype=torch.bool)
        drawn = torch.rand(labels.shape, device=labels.device) < self.doubt
        return drawn & (labels == OUTSIDE) & capitalised(text)

    def _words(self, text: Text) -> _Words:
        encoded = self.encoder(text)
        with full_precision(encoded.device):
            spelling = self.spelling(text)
            kinds = self.detector(torch.cat([encoded, spelling], -1))
            inputs = self.dropout(torch.cat([self.norm(encoded), SPELLING * spelling], -1))
        return _Words(positions(encoded), positions(inputs), positions(kinds))

    def _class_of(self, labels: Tensor) -> Tensor:
        return (labels - 1) // (n_tags(self.scheme, 1) - 1)

    def _types(self, tags: Classes) -> Classes:
        """The classes behind the tags, with the code of the first tag of each."""
        per_class = n_tags(self.scheme, 1) - 1
        return Classes((tags.ways - 1) // per_class, tags.codes[:, 1::per_class], tags.names)


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """`batch x positions x width` at some of the positions, which are `batch x number`."""
    return values.gather(1, positions.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
