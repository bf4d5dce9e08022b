"""Learners: no false alarm on ours, and every planted fault is found by the check that is meant for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_words import ToyEncoder, toy_store

from metamann.checks.finding import Finding
from metamann.checks.learners import audit_learner
from metamann.data.store import ClassStore
from metamann.decoding.transitions import cell_names
from metamann.encoders.conv import ConvEncoder
from metamann.episodes.episode import Episode, Examples, Stream
from metamann.episodes.items.protocols import LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.learners.adapters.carried import Carried
from metamann.learners.adapters.linear_head import LinearHead
from metamann.learners.adapters.majority import Majority
from metamann.learners.adapters.rotated import Rotated
from metamann.learners.adapters.structshot import StructShot
from metamann.learners.gradient_based import GradientLearner
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.nearest import NearestMemory
from metamann.memory.pairs.prototypes import PrototypeMemory

EPISODES = 40


@pytest.fixture
def nway(store: ClassStore) -> Sampler:
    return Sampler(store, NWayKShot(ways=5, shots=2, queries=3), 1)


@pytest.fixture
def streams(store: ClassStore) -> Sampler:
    return Sampler(store, OnlineStream(ways=5, steps=20), 1)


def failed(findings: list[Finding]) -> set[str]:
    return {found.check for found in findings if found.outcome == "fail"}


def test_no_false_alarm_on_any_memory(
    memory_kind: str, make_mann: Callable[..., MANN], nway: Sampler, streams: Sampler
) -> None:
    learner = make_mann(memory_kind)
    assert not failed(audit_learner(learner, nway, EPISODES))
    assert not failed(audit_learner(learner, streams, EPISODES))


@pytest.mark.parametrize("scheme", ["io", "bio"])
@pytest.mark.parametrize("learner_of", [SentenceMANN, MANN])
def test_no_false_alarm_on_sentences(learner_of: Any, scheme: Any) -> None:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    more = (scheme,) if learner_of is SentenceMANN else ()
    memory = PrototypeMemory(encoder.features, 12) if more else NearestMemory(encoder.features, 12)
    protocol = GreedySentences(ways=3, shots=1, scheme=scheme, codes=LabelCodes("random", 12))
    found = audit_learner(learner_of(encoder, memory, 12, *more), Sampler(toy_store(), protocol, 1), EPISODES)
    assert not failed(found), found


def test_no_false_alarm_on_the_mean_of_rotations(nway: Sampler) -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(size=16, channels=4)
    assert not failed(audit_learner(Rotated(MANN(encoder, PrototypeMemory(encoder.features, 5), 5)), nway, EPISODES))


@pytest.mark.parametrize("algorithm", ["maml", "anil", "meta_sgd"])
def test_no_false_alarm_on_gradient_based_learners(
    algorithm: Any, learn2learn: Any, nway: Sampler, streams: Sampler
) -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(size=16, channels=4)
    learner = GradientLearner(encoder, PrototypeMemory(encoder.features, 5), 5, algorithm, first_order=True)
    assert not failed(audit_learner(learner, nway, EPISODES))
    assert not failed(audit_learner(learner, streams, EPISODES // 2))


@pytest.mark.parametrize("learner_of", [LinearHead, Majority])
def test_no_false_alarm_on_learners_without_a_memory(learner_of: Any, nway: Sampler) -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(size=16, channels=4)
    assert not failed(audit_learner(learner_of(MANN(encoder, PrototypeMemory(encoder.features, 5), 5)), nway, EPISODES))


COUNTED = "answers, as they are counted, do not see each other"


def structshot(learner_of: type[StructShot]) -> list[Finding]:
    """What is found on StructShot, or on one with a fault, over invented sentences."""
    torch.manual_seed(0)
    encoder = ToyEncoder()
    protocol = GreedySentences(ways=3, shots=1, scheme="bio", codes=LabelCodes("random", 12))
    counts = dict.fromkeys(cell_names("bio"), 1.0)
    learner = learner_of(MANN(encoder, NearestMemory(encoder.features, 12), 12), "bio", counts, 1.0)
    return audit_learner(learner, Sampler(toy_store(), protocol, 1), EPISODES)


def test_no_false_alarm_on_structshot() -> None:
    found = structshot(StructShot)
    assert not failed(found), found
    assert COUNTED in {each.check for each in found}


def test_answers_that_see_each_other_are_found_where_probabilities_do_not() -> None:
    class Agrees(StructShot):
        def answer(self, state: Any, inputs: Any) -> Tensor:
            answers = super().answer(state, inputs)
            return answers.flatten(1).amax(1).view(-1, 1, 1).expand_as(answers)

    assert failed(structshot(Agrees)) == {COUNTED}


class Faulty(nn.Module):
    """A sound nearest-prototype learner on pixels, for one fault to be put into."""

    def forward(self, episode: Episode) -> Tensor:
        return self.answer(self.features(episode.support.inputs), episode.support, self.features(episode.query.inputs))

    def features(self, inputs: Any) -> Tensor:
        return inputs.flatten(2).float() / 255

    def answer(self, support: Tensor, told: Examples, queries: Tensor) -> Tensor:
        codes = nn.functional.one_hot(told.labels.clamp_min(0), 5).float() * (told.labels >= 0).unsqueeze(-1)
        means = codes.transpose(1, 2) @ support / codes.sum(1).unsqueeze(-1).clamp_min(1)
        return (-torch.cdist(queries, means)).log_softmax(-1)


class KeepsState(Faulty):
    seen: Tensor | None = None

    def answer(self, support: Tensor, told: Examples, queries: Tensor) -> Tensor:
        if self.seen is not None:
            support = support + 0.1 * self.seen.mean()
        self.seen = support
        return super().answer(support, told, queries)


class SeesItsCompany(Faulty):
    def features(self, inputs: Any) -> Tensor:
        features = super().features(inputs)
        return features - features.mean((0, 1))


class CountsEpisodes(Faulty):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("episodes", torch.zeros(()))

    def forward(self, episode: Episode) -> Tensor:
        self.episodes = self.episodes + 1
        return super().forward(episode)


class LooksAtQueryLabels(Faulty):
    def forward(self, episode: Episode) -> Tensor:
        return super().forward(episode) + nn.functional.one_hot(episode.query.labels.clamp_min(0), 5)


class BatchNormInTrainMode(Faulty):
    def __init__(self, transductive: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(256, track_running_stats=False)
        self.transductive = transductive

    def features(self, inputs: Any) -> Tensor:
        features = super().features(inputs)
        return self.norm(features.flatten(0, 1)).view_as(features)


class BatchNormKeptInTrainMode(Faulty):
    """With running averages, and no way into evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(256)

    def train(self, mode: bool = True) -> BatchNormKeptInTrainMode:
        super().train(mode)
        self.norm.train()
        return self

    def features(self, inputs: Any) -> Tensor:
        features = super().features(inputs)
        return self.norm(features.flatten(0, 1)).view_as(features)


class WritesWhileItAnswers(Faulty):
    """The first query is answered as it should be; each one moves what is compared for those after it."""

    def answer(self, support: Tensor, told: Examples, queries: Tensor) -> Tensor:
        before = queries.cumsum(1) - queries
        return super().answer(support, told, queries + 0.1 * before)


class LeaksToTheNextEpisode(Faulty):
    """Every episode of a batch but the first sees the one before it."""

    def answer(self, support: Tensor, told: Examples, queries: Tensor) -> Tensor:
        before = torch.cat([torch.zeros_like(support[:1]), support[:-1]])
        return super().answer(support + 0.1 * before, told, queries)


class ReadsPadding(Faulty):
    def answer(self, support: Tensor, told: Examples, queries: Tensor) -> Tensor:
        return super().answer(support, told._replace(labels=told.labels.clamp_min(0)), queries)


class KnowsTheClasses(Faulty):
    """Answers by what a class is, not by what the support says: here by a mark in its pixels."""

    def forward(self, episode: Episode) -> Tensor:
        assert isinstance(episode.query.inputs, Tensor)
        return nn.functional.one_hot(episode.query.inputs[:, :, 0, 0, 0].long(), 5).float().log_softmax(-1)


class Marked(Sampler):
    """Images that carry their label."""

    def batch(self, indices: Sequence[int]) -> Any:
        episode = super().batch(indices)
        assert isinstance(episode, Episode)
        for part in (episode.support, episode.query):
            assert isinstance(part.inputs, Tensor)
            part.inputs[:, :, 0, 0, 0] = part.labels.to(torch.uint8)
        return episode


ALONE = "memory is reset: the same answer alone, within rounding"
BESIDE = "memory is reset: the same answer beside other episodes"
AFTER = "memory is reset: the same bits after other episodes"
ISOLATED = "queries do not see each other"
STATISTICS = "no statistics are taken over a batch (no transduction)"


def test_a_sound_learner_passes(nway: Sampler) -> None:
    assert not failed(audit_learner(Faulty(), nway, EPISODES))


@pytest.mark.parametrize(
    ("faulty", "caught"),
    [
        (KeepsState, {AFTER}),
        (SeesItsCompany, {BESIDE, ALONE, ISOLATED}),
        (CountsEpisodes, {"answering changes no parameter and no buffer"}),
        (LooksAtQueryLabels, {"labels of the query are not used"}),
        (BatchNormInTrainMode, {BESIDE, ALONE, ISOLATED, STATISTICS}),
        (BatchNormKeptInTrainMode, {"answering changes no parameter and no buffer", STATISTICS}),
        (WritesWhileItAnswers, {ISOLATED}),
        (LeaksToTheNextEpisode, {BESIDE, ALONE}),
        (ReadsPadding, {"padding of the support changes nothing"}),
    ],
)
def test_planted_faults_are_found(nway: Sampler, faulty: type[nn.Module], caught: set[str]) -> None:
    assert caught <= failed(audit_learner(faulty(), nway, EPISODES))


def test_answers_that_do_not_come_from_the_support_are_found(store: ClassStore) -> None:
    marked = Marked(store, NWayKShot(ways=5, shots=2, queries=3), 1)
    assert failed(audit_learner(KnowsTheClasses(), marked, EPISODES)) == {
        "shuffled labels of the support fall to chance"
    }


def test_transduction_can_be_declared(nway: Sampler) -> None:
    found = {each.check: each.outcome for each in audit_learner(BatchNormInTrainMode(True), nway, EPISODES)}
    assert found[ISOLATED] == found[STATISTICS] == "declared"


def test_a_memory_that_is_not_reset_is_found(make_mann: Callable[..., MANN], streams: Sampler) -> None:
    carried = Carried(make_mann("lrua"))
    assert failed(audit_learner(carried, streams, EPISODES)) & {AFTER, BESIDE, ALONE}


class StreamFault(nn.Module):
    """Streams: guesses evenly, but for a fault."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, stream: Stream) -> Tensor:
        answers = nn.functional.one_hot(stream.labels.clamp_min(0), 5).float()
        if self.fault == "label at its step":
            return answers.log_softmax(-1)
        if self.fault == "label one step early":
            return answers.roll(-1, 1).log_softmax(-1)
        assert self.fault == "padding counts"
        shown = (stream.labels.clamp_min(0).unsqueeze(-1) == torch.arange(5)).cumsum(1).roll(1, 1)
        shown[:, 0] = 0
        return shown.float().log_softmax(-1)


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        ("label at its step", "the label of a step is not visible at that step"),
        ("label at its step", "first instances stay under their ceiling"),
        ("label one step early", "later items are not visible earlier"),
        ("padding counts", "a padded step changes nothing"),
    ],
)
def test_planted_faults_of_streams_are_found(streams: Sampler, fault: str, caught: str) -> None:
    assert caught in failed(audit_learner(StreamFault(fault), streams, EPISODES))


def test_streams_that_carry_their_labels_are_found(store: ClassStore) -> None:
    class MarkedStreams(Sampler):
        def batch(self, indices: Sequence[int]) -> Any:
            stream = super().batch(indices)
            assert isinstance(stream, Stream)
            stream.inputs[:, :, 0, 0, 0] = stream.labels.to(torch.uint8)
            return stream

    class Reads(nn.Module):
        def forward(self, stream: Stream) -> Tensor:
            return nn.functional.one_hot(stream.inputs[:, :, 0, 0, 0].long(), 5).float().log_softmax(-1)

    found = failed(audit_learner(Reads(), MarkedStreams(store, OnlineStream(ways=5, steps=20)), EPISODES))
    assert {"shuffled labels fall to chance", "first instances stay under their ceiling"} <= found
