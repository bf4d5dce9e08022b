"""The memory-augmented learner: encode, write the support into memory, answer by reading it.

An image is one position of the memory, a sentence one for each of its words.

References:
    [S16] Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, ICML 2016.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.encoders.identity import IdentityEncoder
from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream
from metamann.errors import ConfigError, check_number
from metamann.hardware import full_precision
from metamann.learners.heads import LabelMassHead, LinearHead
from metamann.learners.learner import Loss, negative_log_likelihood
from metamann.learners.streaming import StreamingLearner
from metamann.memory.interface import Memory, Trace


class MannState(NamedTuple):
    """What was learned from the supports of a batch of episodes.

    Attributes:
        memory: state of the external memory.
        classes: the classes of each episode.
        observed: `batch x classes`, true for classes with at least one example.
    """

    memory: Any
    classes: Classes
    observed: Tensor


class MANN(StreamingLearner[MannState, Any]):
    """Encoder, external memory and a head that names the classes.

    Args:
        encoder: uint8 images, or the text of sentences, to features.
        memory: writes pairs of features and label code, reads for features.
        code_width: of the label codes, for memories whose reads need a learned head.
        label_smoothing: in training, share of a target that is spread evenly over the classes of its episode.
        both_ways: in training, an episode is answered a second time with support and query exchanged: twice
            the errors to learn from for the same encoding. A stream has neither.

    Raises:
        ConfigError: if `label_smoothing` is not between 0 and 1.

    Examples:
        >>> from metamann.memory.pairs.keyvalue import KeyValueMemory
        >>> learner = MANN(IdentityEncoder(2), KeyValueMemory(features=2, code_width=3), code_width=3)
        >>> support = Examples(torch.eye(2).unsqueeze(0), labels=torch.tensor([[2, 0]]))
        >>> state = learner.adapt(support, Classes.one_hot(batch=1, classes=3))
        >>> learner.answer(state, support.inputs)
        tensor([[2, 0]])
    """

    def __init__(
        self,
        encoder: nn.Module,
        memory: Memory[Any],
        code_width: int,
        label_smoothing: float = 0.0,
        both_ways: bool = False,
    ) -> None:
        check_number("learner.label_smoothing", label_smoothing, least=0)
        if label_smoothing >= 1:
            raise ConfigError(f"learner.label_smoothing={label_smoothing} leaves nothing of the label; set it below 1.")
        super().__init__()
        self.encoder, self.memory = encoder, memory
        self.label_smoothing, self.both_ways = label_smoothing, both_ways
        self.head = (
            LabelMassHead()
            if memory.reads_label_mass
            else LinearHead(memory.read_width, code_width, memory.code_readout())
        )

    def encode(self, inputs: Any) -> Tensor:
        """Features of images, `batch x items x features`, or of words, `batch x sentences x length x features`."""
        features: Tensor = self.encoder(inputs)
        return features

    def on_features(self) -> MANN:
        """The same learner with features in place of its encoder; see `Learner.on_features`."""
        view = copy.copy(self)
        # a table of its own: the modules are shared, but for the encoder
        identity = IdentityEncoder(int(self.encoder.features))  # type: ignore[arg-type]  # what all encoders have
        view._modules = {**self._modules, "encoder": identity}
        return view

    def adapt(self, support: Examples, classes: Classes, state: MannState | None = None) -> MannState:
        """Write the support into memory; see `Learner.adapt`."""
        features, labels = positions(self.encode(support.inputs)), support.labels.flatten(1)
        if state is None:
            fresh = self.memory.initial_state(len(labels), classes.codes.shape[-1], features)
            state = MannState(fresh, classes, torch.zeros_like(classes.present()))
        codes, mask = classes.of_labels(labels), labels >= 0
        with full_precision(features.device):
            memory = self.memory.write(state.memory, features, codes, mask)
        added = classes.codes.shape[1] - state.observed.shape[1]
        observed = F.pad(state.observed, (0, added)) | _one_hot(labels, classes).any(1)
        return MannState(memory, classes, observed)

    def predict(self, state: MannState, inputs: Any) -> Tensor:
        """Read the memory for each query alone; see `Learner.predict`."""
        encoded = self.encode(inputs)
        features = positions(encoded)
        observed = state.observed.unsqueeze(1).expand(-1, features.shape[1], -1)
        with full_precision(features.device):
            log_probs: Tensor = self.head(self.memory.read(state.memory, features), state.classes, observed)
        return log_probs.view(*encoded.shape[:-1], -1)

    def stream(self, stream: Stream) -> Tensor:
        """Read for every item what was written before it; see `StreamingLearner.stream`."""
        features, codes, mask = self.sequence(stream)
        with full_precision(features.device):
            fresh = self.memory.initial_state(len(mask), codes.shape[-1], features)
            reads, _ = self.memory.scan(fresh, features, codes, mask)
            return self.answers(reads, stream)

    def loss(self, episodes: Episode | Stream) -> Loss:
        """Negative log-likelihood of the targets, of both ways on average where an episode is answered both ways."""
        if isinstance(episodes, Stream) or not self.both_ways:
            return self._one_way(episodes)
        support, query = (part._replace(inputs=self.encode(part.inputs)) for part in (episodes.support, episodes.query))
        learner = self.on_features()
        direct = learner._one_way(Episode(support, query, episodes.classes))
        exchanged = learner._one_way(Episode(query, support, episodes.classes))
        answers, exchanged_answers = ((part.labels != PADDING).sum() for part in (query, support))
        # in units of the direct answers, by whose number the trainer divides
        return Loss((direct.total + exchanged.total) * answers / (answers + exchanged_answers), direct.right)

    def _one_way(self, episodes: Episode | Stream) -> Loss:
        return negative_log_likelihood(self(episodes), episodes.targets, self.label_smoothing)

    def trace(self, stream: Stream) -> Trace | None:
        """Read weights of the memory over a stream."""
        features, codes, mask = self.sequence(stream)
        with full_precision(features.device):
            fresh = self.memory.initial_state(len(mask), codes.shape[-1], features)
            return self.memory.trace(fresh, features, codes, mask)

    @property
    def can_forget(self) -> bool:
        """Whether its memory can; see `Learner.can_forget`."""
        return self.memory.can_forget

    def forget(self, state: MannState, taken: Tensor) -> MannState:
        """Take examples out of the memory; see `Learner.forget`."""
        return state._replace(memory=self.memory.forget(state.memory, taken))

    def read_weights(self, state: MannState, inputs: Any) -> Tensor | None:
        """Those of its memory; see `Learner.read_weights`."""
        encoded = self.encode(inputs)
        with full_precision(encoded.device):
            weights = self.memory.read_weights(state.memory, positions(encoded))
        return None if weights is None else weights.view(*encoded.shape[:-1], -1)

    def answers(self, reads: Tensor, stream: Stream) -> Tensor:
        """Log-probabilities at every step from what was read, `batch x steps x read_width`."""
        one_hot = _one_hot(stream.labels, stream.classes)
        log_probs: Tensor = self.head(reads, stream.classes, (one_hot.cumsum(1) - one_hot.int()) > 0)
        return log_probs

    def sequence(self, stream: Stream) -> tuple[Tensor, Tensor, Tensor]:
        """Features, label codes and mask of a stream: what the memory takes, `batch x steps` in front."""
        return self.encode(stream.inputs), stream.classes.of_labels(stream.labels), stream.labels >= 0


def positions(features: Tensor) -> Tensor:
    """The items of an episode, or all words of its sentences, behind one another: `batch x positions x features`."""
    return features.flatten(1, -2)


def _one_hot(labels: Tensor, classes: Classes) -> Tensor:
    """True at the class of each label, `batch x items x classes`; false for padding."""
    return labels.unsqueeze(-1) == torch.arange(classes.codes.shape[1], device=labels.device)
