"""The fine-tuned head: it finds the minimum that logistic regression has, and leaves the checkpoint alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from toy_words import ToyEncoder, toy_store

from metamann.data.store import ClassStore
from metamann.encoders.identity import IdentityEncoder
from metamann.encoders.mlp import MLPEncoder
from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream
from metamann.episodes.items.protocols import NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.errors import ConfigError
from metamann.learners.adapters.linear_head import LinearHead
from metamann.learners.learner import Learner
from metamann.learners.mann import MANN
from metamann.memory.pairs.prototypes import PrototypeMemory


@pytest.fixture
def learner(make_mann: Callable[..., MANN]) -> LinearHead:
    sound = make_mann("prototypes")
    return LinearHead(sound, steps=50).eval()


def test_gradients_are_those_of_the_loss() -> None:
    torch.manual_seed(0)
    mann = MANN(IdentityEncoder(4), PrototypeMemory(4, 3), 3)
    learner = LinearHead(mann, steps=2, learning_rate=4.0, decay=0.1, norm=2.0)
    features, labels = torch.randn(1, 6, 4), torch.tensor([[0, 1, PADDING, 2, 1, 0]])
    state = learner.on_features().adapt(Examples(features, labels), Classes.one_hot(1, 3))
    scaled = 2 * F.normalize(features, dim=-1)
    weights, bias = torch.zeros(1, 4, 3, requires_grad=True), torch.zeros(1, 1, 3, requires_grad=True)
    for _ in range(2):
        fit = F.cross_entropy((scaled @ weights + bias)[0], labels[0], ignore_index=PADDING)
        by_weights, by_bias = torch.autograd.grad(fit + 0.05 * weights.square().sum(), (weights, bias))
        weights = (weights - 4.0 * by_weights).detach().requires_grad_()
        bias = (bias - 4.0 * by_bias).detach().requires_grad_()
    assert torch.allclose(state.weights, weights, atol=1e-5)
    assert torch.allclose(state.bias, bias[:, 0], atol=1e-5)


def over_rows(width: int, **options: Any) -> LinearHead:
    return LinearHead(MANN(IdentityEncoder(width), PrototypeMemory(width, 5), 5), **options)


def test_its_parameters_are_those_of_the_encoder_and_its_checkpoint_that_of_the_learner() -> None:
    torch.manual_seed(0)
    mann = MANN(MLPEncoder(6, 5, 4), PrototypeMemory(4, 3), 3)
    learner = LinearHead(mann)
    names = [name for name, _ in learner.named_parameters()]
    assert names == [f"encoder.{name}" for name, _ in mann.encoder.named_parameters()]
    assert learner.state_dict().keys() == mann.state_dict().keys()


def test_its_support_is_answered_right() -> None:
    learner = over_rows(30, steps=50)
    features, labels = torch.randn(2, 15, 30, generator=torch.Generator().manual_seed(0)), torch.arange(15) % 5
    support = Examples(features, labels.expand(2, 15))
    log_probs = learner.predict(learner.adapt(support, Classes.one_hot(2, 5)), features)
    assert torch.equal(log_probs.argmax(-1), support.labels)
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(2, 15))


def test_a_head_is_float32_where_the_encoder_is_not(learner: Learner[Any], store: ClassStore) -> None:
    batch = Sampler(store, NWayKShot(ways=5, shots=2, queries=2)).batch([0, 1])
    assert isinstance(batch, Episode)
    with torch.no_grad():
        support, query = (part._replace(inputs=learner.encode(part.inputs)) for part in (batch.support, batch.query))
        encoded = batch._replace(support=support, query=query)
        learner = learner.on_features()
        expected = learner(encoded)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(learner(encoded), expected)


def test_absent_classes_are_never_answered(learner: LinearHead, store: ClassStore) -> None:
    batch = Sampler(store, NWayKShot(ways=(2, 5), shots=1, queries=2)).batch(range(8))
    assert isinstance(batch, Episode)
    probabilities = learner(batch).exp()
    absent = ~batch.classes.present().unsqueeze(1)
    assert not (probabilities * absent).any()


def test_adapting_in_two_parts_is_adapting_at_once(learner: LinearHead, store: ClassStore) -> None:
    batch = Sampler(store, NWayKShot(ways=5, shots=2, queries=2)).batch([3])
    assert isinstance(batch, Episode)
    whole = learner.adapt(batch.support, batch.classes)
    half = learner.adapt(batch.support.part(0, 4), batch.classes)
    both = learner.adapt(batch.support.part(4, 10), batch.classes, half)
    assert torch.allclose(whole.weights, both.weights, atol=1e-6)


def test_without_rehearsal_a_second_part_is_seen_alone(learner: LinearHead, store: ClassStore) -> None:
    batch = Sampler(store, NWayKShot(ways=5, shots=2, queries=2)).batch([3])
    assert isinstance(batch, Episode)
    first, second = batch.support.part(0, 4), batch.support.part(4, 10)
    alone = LinearHead(learner.learner, steps=50, rehearse=False).eval()
    start = alone.adapt(first, Classes.one_hot(1, 3)._replace(ways=torch.tensor([5]), codes=batch.classes.codes))
    after = alone.adapt(second, batch.classes, start)
    assert torch.equal(after.labels, second.labels)
    # a head that goes on from a fitted one is not one that starts from zero
    assert not torch.allclose(after.weights, alone.adapt(second, batch.classes).weights)


def test_a_head_grows_with_its_classes() -> None:
    features = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0))
    for rehearse in (True, False):
        head = over_rows(6, rehearse=rehearse)
        state = head.adapt(Examples(features[:, :2], torch.tensor([[0, 1]])), Classes.one_hot(1, 2))
        state = head.adapt(Examples(features[:, 2:], torch.tensor([[2, 3]])), Classes.one_hot(1, 4), state)
        found = head.predict(state, features).argmax(-1)[0].tolist()
        assert found[2:] == [2, 3]
        assert found[:2] == [0, 1] or not rehearse


def test_a_stream_is_answered_from_what_was_told_before(learner: LinearHead, store: ClassStore) -> None:
    stream = Sampler(store, OnlineStream(ways=3, steps=7)).batch([0])
    assert isinstance(stream, Stream)
    assert learner.trace(stream) is None
    answers = learner.stream(stream)
    assert torch.allclose(answers[:, 0].exp(), torch.full((1, 3), 1 / 3))
    told = Examples(stream.inputs[:, :5], stream.labels[:, :5])
    alone = learner.predict(learner.adapt(told, stream.classes), stream.inputs[:, 5:6])
    assert torch.allclose(answers[:, 5:6], alone, atol=1e-5)


def test_it_tags_sentences() -> None:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    learner = LinearHead(MANN(encoder, PrototypeMemory(encoder.features, 4), 4))
    batch = Sampler(toy_store(), GreedySentences(ways=3, shots=1)).batch([0, 1])
    assert learner(batch).shape == (*batch.query.labels.shape, 4)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"learning_rate": -1.0}, {"decay": -1.0}, {"norm": float("nan")}])
def test_numbers_out_of_their_range_are_refused(wrong: dict[str, float]) -> None:
    encoder = ToyEncoder()
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LinearHead(MANN(encoder, PrototypeMemory(encoder.features, 4), 4), **wrong)  # type: ignore[arg-type]
