"""The few-shot tagger: entities of the support are written to memory, where words of the query look up their type.

    p(kind)  = softmax(detector(x)_k + a e(x) [k != O])      kinds O and I under `io`, O, B and I under `bio`
    p(class) = what the memory reads for x among the classes of the episode
    p(tag)   = p(kind of the tag) p(class of the tag)        the kind alone for O

What is an entity at all is the harder question. Much of its answer does not depend on the episode: the detector is
shared by all types, and learns from all entities of a batch. The rest, such as names of types that the task leaves out,
only the support can tell: e(x) compares x with the nearest word of the support inside an entity and the nearest one
outside [YK20]. The memory holds the entities of the support alone, in random label codes if the protocol draws them.
Tags of a sentence are weighed together by transitions that know no type [H20], learned by the likelihood of a CRF.

References:
    [H20] Hou et al., Few-shot Slot Tagging with Collapsed Dependency Transfer, 2020.
    [YK20] Yang and Katiyar, Simple and Effective Few-Shot Named Entity Recognition with Structured Nearest Neighbor
        Learning, EMNLP 2020, equation 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.decoding.crf import IMPOSSIBLE, log_marginals, log_partition
from metamann.decoding.transitions import Transitions, TransitionScores
from metamann.decoding.viterbi import viterbi
from metamann.encoders.spelling import SpellingEncoder, capitalised
from metamann.episodes.episode import PADDING, Classes, Episode, Examples
from metamann.episodes.sentences.tagging import OUTSIDE, TagScheme, check_scheme, n_tags
from metamann.episodes.text import Text
from metamann.errors import check_number, check_size
from metamann.hardware import full_precision
from metamann.learners.heads import LabelMassHead, LinearHead
from metamann.learners.learner import Learner, Loss, Reading
from metamann.learners.mann import positions
from metamann.memory.interface import Memory
from metamann.memory.pairs.keyvalue import KeyValueState
from metamann.memory.pairs.nearest import NearestMemory
from metamann.memory.pairs.pairs import at_slots, of_examples

SIDES = ("outside", "inside")
EVIDENCE = 0.3  # of the support, to start with
LEAST = 1e-6  # of a mass, before its logarithm


class SentenceState(NamedTuple):
    """What was learned from the supports of a batch of episodes.

    Attributes:
        memory: state of the external memory.
        words: all words of the support, and whether they are inside of an entity.
        tags: the tags of each episode.
        classes: the classes of entities, one for `I`, or for `B` and `I`, of each.
        observed: `batch x classes`, true for classes with at least one entity.
    """

    memory: Any
    words: KeyValueState
    tags: Classes
    classes: Classes
    observed: Tensor


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
        key_width: of the keys that words of the support are compared by, inside against outside.
        dropout: share of the detector's inputs dropped, in training.
        label_names: write the words of each type's name into memory too, as if they were entities of it.

    Raises:
        ConfigError: if an option has no such value.

    Examples:
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
        key_width: int = 64,
        dropout: float = 0.1,
        label_names: bool = False,
    ) -> None:
        super().__init__()
        check_scheme(scheme)
        check_number("learner.doubt", doubt, least=0, most=1)
        check_size("learner.hidden", hidden)
        check_size("learner.key_width", key_width)
        check_number("learner.dropout", dropout, least=0, most=1)
        self.scheme: TagScheme = scheme
        self.doubt = doubt
        self.label_names = label_names
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
        self.words = NearestMemory(features, len(SIDES), key_width)
        self.evidence = nn.Parameter(torch.tensor(EVIDENCE))
        self.transitions = Transitions(scheme)

    def adapt(self, support: Examples, classes: Classes, state: SentenceState | None = None) -> SentenceState:
        """Write the entities of the support into memory; see `Learner.adapt`."""
        features, labels = positions(self._encode(support.inputs)), support.labels.flatten(1)
        types = self._types(classes)
        known = torch.zeros_like(types.ways) if state is None else state.classes.ways
        if state is None:
            fresh = self.memory.initial_state(len(labels), types.codes.shape[-1], features)
            no_words = self.words.initial_state(len(labels), len(SIDES), features)
            state = SentenceState(fresh, no_words, classes, types, torch.zeros_like(types.present()))
        numbers = torch.where(labels > OUTSIDE, self._class_of(labels), PADDING)
        inside = numbers >= 0
        sides = F.one_hot(inside.long(), len(SIDES)).to(features.dtype)
        with full_precision(features.device):
            memory = self.memory.write(state.memory, features, types.of_labels(numbers), inside)
            if self.label_names and types.names is not None:
                memory = self._write_names(memory, types, known)
            words = self.words.write(state.words, features, sides, labels != PADDING)
        new = (numbers.unsqueeze(-1) == torch.arange(types.codes.shape[1], device=labels.device)).any(1)
        observed = F.pad(state.observed, (0, types.codes.shape[1] - state.observed.shape[1])) | new
        return SentenceState(memory, words, classes, types, observed)

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
        """What the memory gave each type, and the nearest words of the support; see `Learner.reading`."""
        encoded = self._encode(inputs)
        features = positions(encoded)
        with full_precision(encoded.device):
            classes = self._of_class(state, features).exp()
            nearest, cosines = self.words.nearest(state.words, features)
        shape = encoded.shape[:-1]
        return Reading(classes.view(*shape, -1), nearest.view(*shape, -1), cosines.view(*shape, -1))

    @property
    def can_forget(self) -> bool:
        """Whether its memory can, and holds words of the support alone; see `Learner.can_forget`."""
        return self.memory.can_forget and not self.label_names

    def forget(self, state: SentenceState, taken: Tensor) -> SentenceState:
        """Take words out, of both memories; see `Learner.forget`."""
        inside = _inside(state.words)
        of_entities = of_examples(at_slots(taken, state.words.filled).unsqueeze(1), inside).squeeze(1)
        memory = self.memory.forget(state.memory, of_entities)
        return state._replace(memory=memory, words=self.words.forget(state.words, taken))

    def read_weights(self, state: SentenceState, inputs: Text) -> Tensor:
        """The nearest word outside of entities and the nearest inside; see `Learner.read_weights`.

        Where the memory of entities names single words, the weight of the one inside is shared by them as that
        memory reads them: together they say whether a word is in an entity, and then in one of which type.
        """
        encoded = self._encode(inputs)
        features = positions(encoded)
        with full_precision(encoded.device):
            weights = self.words.slot_weights(state.words, features)[..., :-1]
            of_type = None if self.label_names else self.memory.read_weights(state.memory, features)
        if of_type is not None:
            inside = _inside(state.words).unsqueeze(1)
            number = (inside.cumsum(-1) - 1).where(inside, of_type.shape[-1]).expand_as(weights)
            share = F.pad(of_type / of_type.sum(-1, keepdim=True).clamp_min(LEAST), (0, 1)).gather(2, number)
            weights = torch.where(inside, (weights * inside).sum(-1, keepdim=True) * share, weights)
        return of_examples(weights, state.words.filled).view(*encoded.shape[:-1], -1)

    def loss(self, episodes: Episode) -> Loss:
        """Negative log-likelihood of the tags of each sentence, over all tags of the words that are in doubt."""
        state = self.adapt(episodes.support, episodes.classes)
        text, labels = episodes.query.inputs, episodes.query.labels
        with full_precision(text.words.device):
            emissions, transitions = self._scores(state, text)
            return sentence_loss(emissions, transitions, labels, self._doubted(text, labels))

    def _scores(self, state: SentenceState, text: Text) -> tuple[Tensor, TransitionScores]:
        """Log-probability of each tag of each word by itself, and the transitions."""
        encoded = self._encode(text)
        with full_precision(encoded.device):
            emissions = self._emissions(state, encoded, self.spelling(text))
            return emissions, self.transitions(state.tags.ways, emissions.shape[-1])

    def _emissions(self, state: SentenceState, encoded: Tensor, spelling: Tensor) -> Tensor:
        features = positions(encoded)
        of_class = self._of_class(state, features)
        kinds = self.detector(torch.cat([encoded, spelling], -1)).flatten(1, 2)
        sides = self.words.read(state.words, features)[..., : len(SIDES)]
        nearer = sides.clamp_min(LEAST).log().diff(dim=-1)  # of the nearest inside over the nearest outside
        inside = kinds[..., 1:] + self.evidence * nearer
        of_kind = torch.cat([kinds[..., :1], inside], -1).log_softmax(-1)
        any_class = state.observed.any(1).view(-1, 1, 1)
        outside = torch.where(any_class, of_kind[..., :1], 0.0)
        # batch x positions x classes x kinds of entity tags, in the order of the tags
        tags = (of_class.unsqueeze(-1) + of_kind[..., 1:].unsqueeze(-2)).flatten(2)
        return torch.cat([outside, tags], -1).view(*encoded.shape[:-1], -1)

    def _of_class(self, state: SentenceState, features: Tensor) -> Tensor:
        """Log-probability of each class among those observed, for words inside of entities."""
        observed = state.observed.unsqueeze(1)
        reads = self.memory.read(state.memory, features)
        of_class: Tensor = self.head(reads, state.classes, observed.expand(-1, features.shape[1], -1))
        lowest = torch.finfo(of_class.dtype).min
        return of_class.masked_fill(~observed, lowest).log_softmax(-1).masked_fill(~observed, -torch.inf)

    def _write_names(self, memory: Any, types: Classes, known: Tensor) -> Any:
        """Write the names of the types that were not known before."""
        assert types.names is not None
        numbers = torch.arange(types.names.words.shape[1], device=known.device).expand(len(known), -1)
        new = types.names.present() & (numbers >= known.unsqueeze(1)).unsqueeze(-1)
        labels = numbers.unsqueeze(-1).where(new, PADDING).flatten(1)
        return self.memory.write(memory, positions(self._encode(types.names)), types.of_labels(labels), labels >= 0)

    def _doubted(self, text: Text, labels: Tensor) -> Tensor:
        """True for the words whose tag is left open."""
        if not self.training or self.doubt == 0:
            return torch.zeros_like(labels, dtype=torch.bool)
        drawn = torch.rand(labels.shape, device=labels.device) < self.doubt
        return drawn & (labels == OUTSIDE) & capitalised(text)

    def _encode(self, inputs: Text) -> Tensor:
        features: Tensor = self.encoder(inputs)
        return features

    def _class_of(self, labels: Tensor) -> Tensor:
        return (labels - 1) // (n_tags(self.scheme, 1) - 1)

    def _types(self, tags: Classes) -> Classes:
        """The classes behind the tags, with the code of the first tag of each."""
        per_class = n_tags(self.scheme, 1) - 1
        return Classes((tags.ways - 1) // per_class, tags.codes[:, 1::per_class], tags.names)


def _inside(words: KeyValueState) -> Tensor:
    """Slots of words inside of entities, `batch x slots`."""
    return words.filled & (words.values[..., 1] > 0)


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
