"""A tagger without a part: what is left out matters no more, and what stays is unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from toy_words import ToyEncoder, toy_store, train

from metamann.encoders.identity import IdentityEncoder
from metamann.episodes.episode import PADDING, Episode
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.errors import ConfigError
from metamann.learners.adapters.ablated import PARTS, Ablated
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.nearest import NearestMemory
from metamann.memory.pairs.prototypes import PrototypeMemory

CODES = LabelCodes("random", 12)


@pytest.fixture(scope="module")
def dealt() -> Sampler:
    return Sampler(toy_store(), GreedySentences(ways=3, shots=3, other_types=True, codes=CODES), seed=1)


@pytest.fixture(scope="module")
def tagger(dealt: Sampler) -> SentenceMANN:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    return train(SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12), dealt, 20)


@pytest.fixture(scope="module")
def episode(dealt: Sampler) -> Episode:
    return dealt.batch(range(1000, 1008))


def factors(tagger: SentenceMANN, episode: Episode, without: str) -> torch.Tensor:
    state = Ablated(tagger, without).adapt(episode.support, episode.classes)
    return state.evidence.factors


def test_sources_that_are_left_out_have_no_factor(tagger: SentenceMANN, episode: Episode) -> None:
    assert ((factors(tagger, episode, "support") == 0).all(0) == torch.tensor([False, False, True, True])).all()
    assert ((factors(tagger, episode, "detector") == 0).all(0) == torch.tensor([False, True, False, False])).all()


def test_trust_that_is_not_fitted_is_the_same_for_all_tasks_of_a_size(tagger: SentenceMANN, episode: Episode) -> None:
    torch.testing.assert_close(
        factors(tagger, episode, "trust")[0],
        tagger.evidence.stacking.expected(
            tagger.evidence.statistics(tagger.adapt(episode.support, episode.classes).evidence)
        )[0],
    )
    fitted = tagger.adapt(episode.support, episode.classes).evidence.factors
    assert not torch.allclose(fitted, factors(tagger, episode, "trust"), atol=0.01)


def test_non_entities_and_labels_are_taken_from_the_support(tagger: SentenceMANN, episode: Episode) -> None:
    def written(without: str) -> Tensor:
        """True at O and at each type, of all words of the support."""
        return Ablated(tagger, without).adapt(episode.support, episode.classes).evidence.members

    everything = tagger.adapt(episode.support, episode.classes).evidence.members
    entities = written("non_entities")
    assert torch.equal(entities.sum(1)[:, 1:], everything.sum(1)[:, 1:])
    assert not entities[..., 0].any()
    shuffled = written("labels")
    assert torch.equal(shuffled.sum(1), everything.sum(1))
    assert not torch.equal(shuffled, everything)
    assert torch.equal(shuffled, written("labels"))


@pytest.mark.parametrize("part", PARTS)
def test_each_answers_worse_or_no_better_and_keeps_the_checkpoint(
    tagger: SentenceMANN, episode: Episode, part: str
) -> None:
    ablated = Ablated(tagger, part).eval()
    assert ablated.state_dict().keys() == tagger.state_dict().keys()
    present = episode.query.labels != PADDING
    shares = [
        (learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs) == episode.query.labels)[
            present
        ]
        .float()
        .mean()
        for learner in (tagger, ablated)
    ]
    assert shares[1] <= shares[0] + 0.01


def test_other_learners_and_parts_are_refused(tagger: SentenceMANN) -> None:
    with pytest.raises(ConfigError, match="learner=sentence_mann, not MANN"):
        Ablated(MANN(IdentityEncoder(2), NearestMemory(2, 3), 3), "trust")
    with pytest.raises(ConfigError, match=r"adapter\.without"):
        Ablated(tagger, "memory")
