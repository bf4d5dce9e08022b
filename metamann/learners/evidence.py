"""Evidence of the support that a word is part of an entity: how much speaks for it, and how far to trust what says so.

    e(x)      = (1, prior(x), ridge(x), attention(x))
    inside(x) = factors . e(x)                                              a logit
    type_c(x) = of_types . (s r_c(x), log a_c(x))                           a log score

The prior is a detector that all types share. Ridge regression and attention speak from the support alone: the words of
its entities, by type, against all its other words. `Stacking` fits the factors for each task, on what the three say of
every word of the support if its own sentence had not been seen. So a support of another field, where the prior is
wrong, outvotes it, and one that says little does not.

    ridge(x)     = log mean over the types c of exp(s r_c(x))  -  s r_O(x)          r is what `RidgeMemory` reads for x
    attention(x) = log mean over the types c of a_c(x)  -  log a_O(x)
    a_c(x)       = (sum over the words i of c of w_i exp(b cos(x, k_i)) + z) / (sum of w_i + z)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metamann.episodes.episode import PADDING
from metamann.learners.stacking import Stacking
from metamann.memory.fast_weights.ridge import RidgeMemory, RidgeState
from metamann.memory.pairs.pairs import at_slots

SOURCES = {"bias": 0.0, "detector": 1.0, "ridge": 0.5, "attention": 0.3}  # their factors at the start of training
OF_TYPES = (0.5, 0.3)  # factors of ridge regression and of attention in what speaks for a type, likewise
SHARPNESS = 5.0  # s
UNSEEN = 0.3  # z: words at a right angle to every query that each class is given
MOST_PAIRS = 2**24  # of a query and a word of the support, compared at once
RATE = 5.0  # scalars are stored divided by it, so that they move as far in a step as a weight of a wide layer does
GROUPS = {"inside": 4.0, "outside": 1.0, "capitalised": 0.5, "beside": 1.0}  # weights of words at the start of training
WORTH = 0.1  # of a word of the support among independent examples, at the start of training


class EvidenceState(NamedTuple):
    """What the words of the supports of a batch of episodes say.

    Attributes:
        ridge: of all words, with the one-hot code of O or of their type.
        keys: `batch x words x key_width`, unit vectors for attention.
        members: `batch x words x (classes + 1)`, true for O, or for the type of each word; all false for no word.
        weights: `batch x words`.
        starts: `batch x words`, true for the first word of a sentence.
        prior: `batch x words`, what the detector says of them.
        factors: `batch x 4`, how far each source is trusted.
    """

    ridge: RidgeState
    keys: Tensor
    members: Tensor
    weights: Tensor
    starts: Tensor
    prior: Tensor
    factors: Tensor

    def present(self) -> Tensor:
        """True where a word is, `batch x words`."""
        return self.members.any(-1)

    def inside(self) -> Tensor:
        """True for words of entities, `batch x words`."""
        return self.members[..., 1:].any(-1)

    def observed(self) -> Tensor:
        """True for types with at least one word, `batch x classes`."""
        return self.members[..., 1:].any(1)

    def sentences(self) -> Tensor:
        """Number of the sentence of each word, `batch x words`."""
        return (self.starts.cumsum(1) - 1).clamp_min(0)


class EvidenceRead(NamedTuple):
    """What is said of words.

    Attributes:
        sources: `batch x words x 4`, what each of `SOURCES` adds to the logit of inside.
        types: `batch x words x classes`, how much speaks for each type, if the word is inside; log scores.
    """

    sources: Tensor
    types: Tensor


class SupportEvidence(nn.Module):
    """Decides inside or outside of entities from the support and a prior.

    Args:
        features: width of the features of words.
        ridge_width: width of the keys of ridge regression.
        key_width: width of the keys of attention.
        penalty: of ridge regression, at the start of training; learned.
        precision: of the factors, at the start of training; learned.

    Examples:
        >>> evidence = SupportEvidence(features=3, ridge_width=16, key_width=16)
        >>> words, labels = torch.eye(3).unsqueeze(0), torch.tensor([[0, 1, 0]])  # one sentence, one entity
        >>> prior, groups, starts = torch.zeros(1, 3), torch.tensor([[1, 0, 1]]), torch.tensor([[True, False, False]])
        >>> state = evidence.initial_state(batch=1, classes=1, like=words)
        >>> state = evidence.write(state, words, prior, labels, groups, starts)
        >>> evidence.inside(state, words, prior).argmax().item()
        1
    """

    def __init__(
        self, features: int, ridge_width: int = 128, key_width: int = 64, penalty: float = 1.0, precision: float = 3.0
    ) -> None:
        super().__init__()
        self.ridge = RidgeMemory(features, None, ridge_width, penalty)
        self.key = nn.Linear(features, key_width)
        self.log_strength = nn.Parameter(torch.tensor(math.log(10.0)))
        self.stacking = Stacking(list(SOURCES.values()), precision, statistics=2)
        self.log_weights = nn.Parameter(torch.tensor(list(GROUPS.values())).log() / RATE)
        self.of_types = nn.Parameter(torch.tensor(OF_TYPES) / RATE)
        self.log_worth = nn.Parameter(torch.tensor(WORTH).log() / RATE)

    def initial_state(self, batch: int, classes: int, like: Tensor) -> EvidenceState:
        """No word written."""
        none = torch.zeros(batch, 0, dtype=torch.bool, device=like.device)
        number = like.new_zeros(batch, 0)
        return EvidenceState(
            self.ridge.initial_state(batch, classes + 1, like),
            like.new_zeros(batch, 0, self.key.out_features),
            none.unsqueeze(-1).expand(-1, -1, classes + 1),
            number,
            none,
            number,
            self.stacking.start.expand(batch, -1),
        )

    def widened(self, state: EvidenceState, classes: int) -> EvidenceState:
        """The same state with room for the words of more types."""
        more = classes + 1 - state.members.shape[-1]
        cross, values = F.pad(state.ridge.cross, (0, more)), F.pad(state.ridge.values, (0, more))
        return state._replace(
            ridge=state.ridge._replace(cross=cross, values=values), members=F.pad(state.members, (0, more))
        )

    def write(
        self, state: EvidenceState, features: Tensor, prior: Tensor, labels: Tensor, groups: Tensor, starts: Tensor
    ) -> EvidenceState:
        """Take in the words of sentences, and fit the factors.

        Args:
            state: what came before.
            features: `batch x words x features`.
            prior: `batch x words`, logit of inside.
            labels: `batch x words`, 0 outside, else the number of the type from 1 on, `PADDING`.
            groups: `batch x words`, number of the group of each word in `GROUPS`.
            starts: `batch x words`, true for the first word of a sentence.
        """
        present = labels != PADDING
        weights = (self.log_weights * RATE).exp()[groups]
        members = F.one_hot(labels.clamp_min(0), state.members.shape[-1]).bool() & present.unsqueeze(-1)
        state = EvidenceState(
            self.ridge.write(state.ridge, features, members.to(features.dtype), present, weights),
            torch.cat([state.keys, F.normalize(self.key(features), dim=-1)], 1),
            torch.cat([state.members, members], 1),
            torch.cat([state.weights, weights * present], 1),
            torch.cat([state.starts, starts], 1),
            torch.cat([state.prior, prior], 1),
            state.factors,
        )
        return self.fit(state)

    def forget(self, state: EvidenceState, taken: Tensor) -> EvidenceState:
        """Take words out, and fit the factors to those that stay; see `Memory.forget`."""
        gone = at_slots(taken, state.present())
        state = state._replace(
            ridge=self.ridge.forget(state.ridge, taken),
            members=state.members & ~gone.unsqueeze(-1),
            weights=state.weights.masked_fill(gone, 0),
        )
        return self.fit(state)

    def inside(self, state: EvidenceState, features: Tensor, prior: Tensor) -> Tensor:
        """Logit that a word is inside of an entity, `batch x queries`.

        Args:
            state: what was written.
            features: `batch x queries x features`.
            prior: `batch x queries`.
        """
        return self.read(state, features, prior).sources.sum(-1)

    def read(self, state: EvidenceState, features: Tensor, prior: Tensor) -> EvidenceRead:
        """What the support and the prior say of words; arguments as of `inside`."""
        attended = self._attended(F.normalize(self.key(features), dim=-1), state)
        return self._read(state, prior, self.ridge.read(state.ridge, features), attended)

    def nearest(self, state: EvidenceState, features: Tensor) -> tuple[Tensor, Tensor]:
        """The word of the support outside of entities that attention finds nearest, and the one inside.

        Args:
            state: what was written.
            features: `batch x queries x features`.

        Returns:
            Numbers among all words written, -1 for none, and cosines, both `batch x queries x 2`.
        """
        cosines = F.normalize(self.key(features), dim=-1) @ state.keys.transpose(1, 2)
        cosines = F.pad(cosines, (1, 0), value=-1)  # stands for none
        sides = (F.pad(side, (1, 0), value=True).unsqueeze(1) for side in (state.members[..., 0], state.inside()))
        best = [cosines.masked_fill(~side, -torch.inf).max(-1) for side in sides]
        return torch.stack([found.indices - 1 for found in best], -1), torch.stack([found.values for found in best], -1)

    def attention(self, state: EvidenceState, features: Tensor) -> Tensor:
        """Share of each word written in what attention reads for each query, `batch x queries x words`.

        What is missing to 1 is the share of words unlike all that were written.
        """
        strength = self.log_strength.exp()
        cosines = F.normalize(self.key(features), dim=-1) @ state.keys.transpose(1, 2)
        shares = (strength * (cosines - 1)).exp() * state.weights.unsqueeze(1)
        return shares / (shares.sum(-1, keepdim=True) + UNSEEN * (-strength).exp())

    def fit(self, state: EvidenceState, sources: Tensor | None = None) -> EvidenceState:
        """Fit the factors, by what the sources say of each word without its own sentence.

        Args:
            state: what was written.
            sources: 1 for each of the four that takes part, 0 for one that does not; None for all.
        """
        kept = torch.ones_like(state.factors) if sources is None else sources.expand_as(state.factors)
        evidence = self.left_out(state).sources * kept.unsqueeze(1)
        weights = state.weights * (self.log_worth * RATE).exp()
        factors = self.stacking(evidence, state.inside(), weights, self.statistics(state))
        return state._replace(factors=factors * kept)

    def left_out(self, state: EvidenceState) -> EvidenceRead:
        """What is said of each word of the support without its own sentence; the sources before their factors."""
        present, sentences = state.present(), state.sentences()
        root = torch.where(present, state.weights, 1.0).sqrt().unsqueeze(-1)  # a pair is stored times its root
        ridge = self.ridge.left_out(state.ridge, sentences) / root
        plain = state._replace(factors=torch.ones_like(state.factors))
        read = self._read(plain, state.prior, ridge, self._attended(state.keys, state, sentences))
        return EvidenceRead(*(part * present.unsqueeze(-1) for part in read))

    def statistics(self, state: EvidenceState) -> Tensor:
        """Words inside of entities for each type, and types: logarithms about 0, `batch x 2`."""
        ways = state.observed().sum(1).clamp_min(1).to(state.prior.dtype)
        inside = state.inside().sum(1).to(state.prior.dtype)
        return torch.stack([((inside + 1) / ways).log() - 1.5, ways.log() - 1.5], -1)

    def _read(self, state: EvidenceState, prior: Tensor, ridge: Tensor, attended: Tensor) -> EvidenceRead:
        of_types, of_words = self._any_type(state, SHARPNESS * ridge), self._any_type(state, attended)
        sources = torch.stack([torch.ones_like(prior), prior, of_types, of_words], -1) * state.factors.unsqueeze(1)
        by_ridge, by_attention = self.of_types * RATE
        return EvidenceRead(sources, by_ridge * SHARPNESS * ridge[..., 1:] + by_attention * attended[..., 1:])

    def _any_type(self, state: EvidenceState, scores: Tensor) -> Tensor:
        """Log mean of the exponentials over the observed types, against O; 0 where there is no type."""
        observed = state.observed().unsqueeze(1)
        lowest = torch.finfo(scores.dtype).min
        number = observed.sum(-1).clamp_min(1).to(scores.dtype).log()
        against = scores[..., 1:].masked_fill(~observed, lowest).logsumexp(-1) - number - scores[..., 0]
        return torch.where(observed.any(-1), against, 0.0)

    def _attended(self, queries: Tensor, state: EvidenceState, sentences: Tensor | None = None) -> Tensor:
        """Logarithm of a_c(x) for O and every type, `batch x queries x (classes + 1)`.

        Args:
            queries: `batch x queries x key_width`, unit vectors.
            state: what was written.
            sentences: the sentence of each query, whose words are left out; None leaves none out.
        """
        members = state.members * state.weights.unsqueeze(-1)
        total = members.sum(1, keepdim=True)
        if sentences is not None:
            number = int(sentences.max()) + 1 if sentences.numel() else 0
            place = sentences.unsqueeze(-1).expand_as(members)
            own = members.new_zeros(len(members), number, members.shape[-1]).scatter_add(1, place, members)
            total = total - own.gather(1, place)
        strength, keys = self.log_strength.exp(), state.keys.transpose(1, 2)
        sums = []
        step = max(1, MOST_PAIRS // max(1, keys.shape[0] * keys.shape[2]))
        for first in range(0, max(1, queries.shape[1]), step):
            near = (strength * (queries[:, first : first + step] @ keys - 1)).exp()
            if sentences is not None:
                near = near * (sentences[:, first : first + step].unsqueeze(2) != sentences.unsqueeze(1))
            sums.append(near @ members)
        return ((torch.cat(sums, 1) + UNSEEN * (-strength).exp()) / (total + UNSEEN)).log()


def word_groups(labels: Tensor, capitalised: Tensor) -> Tensor:
    """Number of the group of each word in `GROUPS`, `batch x sentences x length`.

    Args:
        labels: `batch x sentences x length`, from 1 on inside of entities.
        capitalised: likewise, true for words with a capital letter.
    """
    inside = F.pad(labels > 0, (1, 1))
    names = list(GROUPS)
    numbers = torch.full_like(labels, names.index("outside"))
    for group, members in (
        ("beside", inside[..., :-2] | inside[..., 2:]),
        ("capitalised", capitalised),
        ("inside", labels > 0),
    ):
        numbers = numbers.masked_fill(members, names.index(group))
    return numbers
