"""The few-shot tagger: what an episode's answers depend on, and what they must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toy_words import ToyEncoder, toy_store, train

from metamann.decoding.crf import log_likelihood
from metamann.decoding.transitions import Transitions
from metamann.episodes.episode import PADDING, Episode
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.protocols import SentencePlan
from metamann.episodes.text import Text
from metamann.errors import ConfigError
from metamann.learners.sentence_loss import sentence_loss
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.controlled.lrua.lrua import LRUAMemory
from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.memory.pairs.prototypes import PrototypeMemory

STORE = toy_store()
CODES = LabelCodes("random", 12)


def sampler(scheme: Any = "io", ways: int = 3) -> Sampler:
    return Sampler(STORE, GreedySentences(ways=ways, shots=1, scheme=scheme, codes=CODES), seed=1)


@pytest.fixture(scope="module", params=["io", "bio"])
def scheme(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def learner(scheme: Any) -> SentenceMANN:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    return train(SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12, scheme), sampler(scheme))


def answers(learner: SentenceMANN, episode: Episode) -> torch.Tensor:
    return learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)


def share_right(learner: SentenceMANN, episode: Episode) -> float:
    """Of the words inside of entities."""
    inside = episode.query.labels > 0
    return float((answers(learner, episode) == episode.query.labels)[inside].float().mean())


def test_it_learns_to_tag_types_that_it_is_shown_once(learner: SentenceMANN, scheme: Any) -> None:
    assert share_right(learner, sampler(scheme).batch(range(1000, 1016))) > 0.9


def test_shuffled_support_labels_are_chance(learner: SentenceMANN, scheme: Any) -> None:
    """The types of the support are given at random; a third of the entities keep theirs by luck."""
    dealt = sampler(scheme)
    rng = np.random.default_rng(0)
    right = []
    for index in range(1000, 1030):
        plan = dealt.plan(index)
        shuffled = plan._replace(types=rng.permutation(plan.types))
        support = dealt.fetch([shuffled], [dealt.codes(index)]).support
        episode = dealt.batch([index])._replace(support=support)
        right.append(share_right(learner, episode))
    assert 0.15 < np.mean(right) < 0.5


def test_an_exact_copy_of_a_support_sentence_gets_its_labels_back(learner: SentenceMANN, scheme: Any) -> None:
    episode = sampler(scheme).batch(range(1000, 1008))
    copied = episode._replace(query=episode.support)
    right = (
        answers(learner, copied)[copied.query.labels != PADDING] == copied.query.labels[copied.query.labels != PADDING]
    )
    assert right.float().mean() > 0.95


def test_permuting_classes_permutes_answers(learner: SentenceMANN, scheme: Any) -> None:
    dealt = sampler(scheme)
    plan, codes = dealt.plan(5), dealt.codes(5)
    per_class = 1 if scheme == "io" else 2
    order = np.array([2, 0, 1])
    renamed = SentencePlan(plan.support, plan.query, plan.types[order])
    place = np.concatenate([[0], *(1 + per_class * each + np.arange(per_class) for each in order)])
    first = learner(dealt.fetch([plan], [codes]))
    second = learner(dealt.fetch([renamed], [codes[place]]))
    present = dealt.fetch([plan], [codes]).query.labels != PADDING
    expected = first[..., torch.from_numpy(place)]
    torch.testing.assert_close(second[present].exp(), expected[present].exp(), atol=1e-5, rtol=0)


def test_the_order_of_sentences_their_company_and_padding_change_nothing(learner: SentenceMANN, scheme: Any) -> None:
    dealt = sampler(scheme)
    plan, codes = dealt.plan(5), dealt.codes(5)
    alone = learner(dealt.fetch([plan], [codes]))[0]
    turned = SentencePlan(plan.support[::-1].copy(), plan.query[::-1].copy(), plan.types)
    present = dealt.fetch([plan], [codes]).query.labels[0] != PADDING
    backwards = learner(dealt.fetch([turned], [codes]))[0].flip(0)
    torch.testing.assert_close(backwards[present].exp(), alone[present].exp(), atol=1e-5, rtol=0)
    beside = learner(dealt.fetch([plan, dealt.plan(6), dealt.plan(7)], [codes, dealt.codes(6), dealt.codes(7)]))[0]
    sentences, length = present.shape
    torch.testing.assert_close(beside[:sentences, :length][present].exp(), alone[present].exp(), atol=1e-5, rtol=0)


def test_query_labels_are_never_looked_at(learner: SentenceMANN, scheme: Any) -> None:
    episode = sampler(scheme).batch([3, 4])
    garbage = episode._replace(query=episode.query._replace(labels=torch.full_like(episode.query.labels, 1)))
    assert torch.equal(learner(episode), learner(garbage))
    assert torch.equal(answers(learner, episode), answers(learner, garbage))


def test_a_class_without_example_is_never_answered(learner: SentenceMANN, scheme: Any) -> None:
    dealt = sampler(scheme)
    episode = dealt.batch(range(20))
    per_class = 1 if scheme == "io" else 2
    labels = torch.where(episode.support.labels > 2 * per_class, 0, episode.support.labels)
    state = learner.adapt(episode.support._replace(labels=labels), episode.classes)
    assert int(learner.answer(state, episode.query.inputs).max()) <= 2 * per_class
    assert (learner.predict(state, episode.query.inputs)[..., 1 + 2 * per_class :] == -torch.inf).all()
    nothing = learner.adapt(episode.support._replace(labels=torch.zeros_like(labels)), episode.classes)
    assert (learner.answer(nothing, episode.query.inputs) <= 0).all()
    assert torch.isfinite(learner.predict(nothing, episode.query.inputs)[..., 0]).all()


def test_probabilities_sum_to_one_and_answers_are_legal(learner: SentenceMANN, scheme: Any) -> None:
    episode = sampler(scheme).batch(range(12))
    present = episode.query.labels != PADDING
    log_probs = learner(episode)
    torch.testing.assert_close(log_probs.exp().sum(-1)[present], torch.ones(int(present.sum())))
    tags = answers(learner, episode)
    assert (tags[~present] == PADDING).all()
    assert (tags[present] >= 0).all()
    if scheme == "bio":
        inside = (tags > 0) & (tags % 2 == 0)
        before = torch.nn.functional.pad(tags[..., :-1], (1, 0), value=0)
        assert ((before == tags) | (before == tags - 1))[inside].all()


def test_adapting_in_two_parts_is_adapting_at_once(learner: SentenceMANN, scheme: Any) -> None:
    episode = sampler(scheme).batch([9])
    sentences = episode.support.labels.shape[1]
    state = learner.adapt(episode.support.part(0, 1), episode.classes)
    state = learner.adapt(episode.support.part(1, sentences), episode.classes, state)
    present = episode.query.labels != PADDING
    found, expected = learner.predict(state, episode.query.inputs), learner(episode)
    torch.testing.assert_close(found[present].exp(), expected[present].exp(), atol=1e-5, rtol=0)


def test_it_says_what_it_read(learner: SentenceMANN, scheme: Any) -> None:
    episode = sampler(scheme).batch(range(6))
    state, text = learner.adapt(episode.support, episode.classes), episode.query.inputs
    reading = learner.reading(state, text)
    present = text.present()
    outside = learner.predict(state, text)[..., 0].exp()
    assert ((reading.evidence.sum(-1) > 0)[present] == (outside < 0.5)[present]).float().mean() > 0.9
    torch.testing.assert_close(reading.classes.sum(-1)[present], torch.ones(int(present.sum())))
    inside = episode.support.labels.flatten(1) > 0
    for side, expected in ((0, False), (1, True)):
        for number, labels in enumerate(episode.support.labels.flatten(1)):
            tags = labels[labels != PADDING]  # of the words in order
            nearest = reading.nearest[number, ..., side][present[number]]
            assert ((tags[nearest] > 0) == expected).all()
    itself = learner.reading(state, episode.support.inputs)
    shown = episode.support.labels.flatten(1) != PADDING
    best = itself.cosines.flatten(1, 2).gather(-1, inside.long().unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(best[shown], torch.ones(int(shown.sum())))


def test_a_state_without_words_reads_nothing(learner: SentenceMANN, scheme: Any) -> None:
    episode = sampler(scheme).batch([0])
    empty = episode.support._replace(labels=torch.full_like(episode.support.labels, PADDING))
    reading = learner.reading(learner.adapt(empty, episode.classes), episode.query.inputs)
    assert (reading.nearest == -1).all()


def test_the_support_decides_which_words_are_no_entities_of_its_types() -> None:
    """Words of other types look alike to the detector; that they stand outside only the support says."""
    torch.manual_seed(0)
    encoder = ToyEncoder()
    dealt = Sampler(STORE, GreedySentences(ways=3, shots=[1, 5], other_types=True, codes=CODES), seed=1)
    learner = train(SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12), dealt)
    episode = dealt.batch(range(1000, 1016))
    labels, text = episode.query.labels, episode.query.inputs
    names = np.array(["", *text.lexicon])[text.words.numpy() + 1]
    of_other_types = torch.from_numpy(np.char.startswith(names, "Type")) & (labels == 0)
    assert of_other_types.sum() > 20

    def apart(state: Any) -> float:
        """How much more often words of the episode's types are taken for entities than words of others."""
        inside = learner.answer(state, text) > 0
        return float(inside[labels > 0].float().mean() - inside[of_other_types].float().mean())

    state = learner.adapt(episode.support, episode.classes)
    of_detector = state.evidence._replace(factors=torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    assert apart(state) > 0.85 > 0.65 > apart(state._replace(evidence=of_detector))


class TestLabelNames:
    """The names of toy types are `type3`, of which the encoder is told that it is a word of type 3."""

    class Encoder(ToyEncoder):
        """Reads a name as a word of its type."""

        def forward(self, inputs: Text) -> torch.Tensor:
            words = tuple(f"T{word[1:]}x" if word.startswith("type") else word for word in inputs.lexicon)
            return super().forward(Text(inputs.words, words))

    @pytest.fixture
    def told(self, scheme: Any) -> SentenceMANN:
        torch.manual_seed(0)
        encoder = self.Encoder()
        memory = PrototypeMemory(encoder.features, 12)
        return SentenceMANN(encoder, memory, 12, scheme, dropout=0.0, label_names=True).eval()

    def test_they_outweigh_one_wrong_example(self, told: SentenceMANN, scheme: Any) -> None:
        dealt = sampler(scheme)
        plan = dealt.plan(3)
        wrong = plan._replace(types=np.roll(plan.types, 1))
        support = dealt.fetch([wrong], [dealt.codes(3)]).support
        episode = dealt.batch([3])._replace(support=support)
        named = told.reading(told.adapt(support, episode.classes), episode.query.inputs).classes
        told.label_names = False
        unnamed = told.reading(told.adapt(support, episode.classes), episode.query.inputs).classes
        labels = episode.query.labels
        right = (labels[labels > 0] - 1) // (1 if scheme == "io" else 2)

        def share(classes: torch.Tensor) -> float:
            return float(classes[labels > 0].gather(-1, right.unsqueeze(-1)).mean())

        assert share(named) > 2 * share(unnamed)

    def test_dropped_names_are_as_if_there_were_none_in_training_alone(self, told: SentenceMANN, scheme: Any) -> None:
        episode = sampler(scheme).batch([3])
        named = told(episode)
        told.name_dropout = 1.0
        assert torch.equal(told(episode), named)
        told.train()
        dropped = told(episode)
        told.label_names = False
        torch.testing.assert_close(told(episode), dropped)
        assert not torch.allclose(dropped, named, atol=0.01)

    def test_they_are_written_once_and_show_no_class(self, told: SentenceMANN, scheme: Any) -> None:
        episode = sampler(scheme).batch([9])
        state = told.adapt(episode.support.part(0, 1), episode.classes)
        state = told.adapt(episode.support.part(1, episode.support.labels.shape[1]), episode.classes, state)
        present = episode.query.labels != PADDING
        found, expected = told.predict(state, episode.query.inputs), told(episode)
        torch.testing.assert_close(found[present].exp(), expected[present].exp(), atol=1e-5, rtol=0)
        nothing = told.adapt(episode.support._replace(labels=episode.support.labels.clamp(max=0)), episode.classes)
        assert (told.answer(nothing, episode.query.inputs) <= 0).all()

    def test_they_follow_their_classes_and_company_does_not_matter(self) -> None:
        dealt = Sampler(STORE, GreedySentences(ways=[2, 4], shots=1, codes=CODES), seed=1)
        names = dealt.batch(range(4)).classes.names
        assert names is not None
        for index in range(4):
            alone = dealt.batch([index]).classes.names
            assert alone is not None
            types = [dealt.source.table.types[number] for number in dealt.plan(index).types]
            read = [names.lexicon[number] for number in names.words[index].flatten() if number >= 0]
            assert read == types == [alone.lexicon[number] for number in alone.words.flatten()]


@pytest.mark.parametrize("memory", [KeyValueMemory, LRUAMemory])
def test_other_memories_go_too(memory: Any) -> None:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    learner = SentenceMANN(encoder, memory(encoder.features, 12), 12)
    held_out = sampler().batch(range(1000, 1004))
    before = learner.eval().loss(held_out).total.item()
    assert train(learner, sampler(), 30, rate=0.003).loss(held_out).total.item() < 0.8 * before


def test_the_loss_is_the_likelihood_and_a_word_in_doubt_may_be_anything() -> None:
    torch.manual_seed(0)
    emissions, labels = torch.randn(1, 1, 3, 4, dtype=torch.float64), torch.tensor([[[0, 2, 2]]])
    transitions = Transitions("io").double()(torch.tensor([4]), 4)
    none = torch.zeros_like(labels, dtype=torch.bool)
    expected = -log_likelihood(emissions, transitions, labels).sum()
    torch.testing.assert_close(sentence_loss(emissions, transitions, labels, none).total, expected)
    doubted = torch.tensor([[[True, False, False]]])
    shares = [log_likelihood(emissions, transitions, torch.tensor([[[first, 2, 2]]])).exp().sum() for first in range(4)]
    found = sentence_loss(emissions, transitions, labels, doubted).total
    torch.testing.assert_close(found, -torch.stack(shares).sum().log())


def test_doubt_leaves_capitalised_words_outside_open_in_training_alone(learner: SentenceMANN, scheme: Any) -> None:
    encoder = ToyEncoder()
    doubting = SentenceMANN(encoder, PrototypeMemory(encoder.features, 12), 12, scheme, doubt=1.0, dropout=0.0)
    doubting.load_state_dict(learner.state_dict())
    episode = sampler(scheme).batch([2, 3])
    hidden = episode._replace(query=episode.query._replace(labels=episode.query.labels.clamp(max=0)))
    eager = learner.eval().loss(hidden).total.item()
    assert doubting.eval().loss(hidden).total.item() == pytest.approx(eager)
    assert doubting.train().loss(hidden).total.item() < eager / 2


def test_options_that_are_no_such_are_refused_and_streams_are_not_offered() -> None:
    encoder = ToyEncoder()
    memory = PrototypeMemory(encoder.features, 12)
    learner = SentenceMANN(encoder, memory, 12)
    with pytest.raises(ConfigError, match=r"learner\.doubt"):
        SentenceMANN(encoder, memory, 12, doubt=1.5)
    assert learner.trainable
    assert learner.takes_support
    assert not learner.answers_streams
