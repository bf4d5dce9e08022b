"""Gradient-based learners: their inner loop is gradient descent, and its gradient reaches the start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from toy_words import ToyEncoder, toy_store

from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.encoders.pixels import PixelEncoder
from metamann.episodes.episode import PADDING, Classes, Episode, Examples, Stream
from metamann.episodes.items.protocols import NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.errors import ConfigError
from metamann.learners.gradient_based import GradientLearner
from metamann.learners.streaming import StreamingLearner
from metamann.memory.pairs.prototypes import PrototypeMemory

ALGORITHMS = ("maml", "anil", "meta_sgd")


@pytest.fixture(params=["learn2learn", "torch"], autouse=True)
def implementation(request: pytest.FixtureRequest) -> str:
    """Every property holds of both."""
    if request.param == "learn2learn":
        request.getfixturevalue("learn2learn")
    return str(request.param)


@pytest.fixture
def make(implementation: str) -> Callable[..., GradientLearner]:
    def made(algorithm: Any = "maml", encoder: Any = None, outputs: int = 5, **options: Any) -> GradientLearner:
        torch.manual_seed(0)
        encoder = ConvEncoder(size=16, channels=4) if encoder is None else encoder
        memory = PrototypeMemory(encoder.features, 5)
        return GradientLearner(encoder, memory, outputs, algorithm, **{"implementation": implementation, **options})

    return made


def episode(store: ClassStore, **settings: Any) -> Episode:
    batch = Sampler(store, NWayKShot(**{"ways": 5, "shots": 2, "queries": 2, **settings})).batch([0, 1])
    assert isinstance(batch, Episode)
    return batch


def test_the_inner_loop_is_gradient_descent_on_the_support(
    store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    encoder = PixelEncoder(16)
    learner = make(encoder=encoder, inner_rate=0.3, test_steps=3).eval()
    batch = episode(store)
    head = [module for module in learner.modules() if isinstance(module, torch.nn.Linear)][-1]
    for row in range(2):
        weight, bias = head.weight.detach().clone(), head.bias.detach().clone()
        features = encoder(batch.support.inputs)[row]
        for _ in range(3):
            weight.requires_grad_()
            bias.requires_grad_()
            loss = F.cross_entropy(features @ weight.T + bias, batch.support.labels[row])
            by_weight, by_bias = torch.autograd.grad(loss, (weight, bias))
            weight, bias = (weight - 0.3 * by_weight).detach(), (bias - 0.3 * by_bias).detach()
        expected = (encoder(batch.query.inputs)[row] @ weight.T + bias).log_softmax(-1)
        with torch.no_grad():
            assert torch.allclose(learner(batch)[row], expected, atol=1e-5)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_query_loss_reaches_every_parameter(
    algorithm: str, store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    learner = make(algorithm).train()
    learner.loss(episode(store)).total.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in learner.parameters())


def test_first_and_second_order_differ_and_answers_do_not(
    store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    found = []
    for first_order in (True, False):
        learner = make(first_order=first_order, inner_rate=0.5).train()
        loss = learner.loss(episode(store)).total
        loss.backward()
        found.append((loss.item(), torch.cat([each.grad.flatten() for each in learner.parameters()])))
    assert found[0][0] == pytest.approx(found[1][0])
    assert not torch.allclose(found[0][1], found[1][1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_parameters_are_left_as_they_were(
    algorithm: str, store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    learner = make(algorithm).eval()
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    with torch.no_grad():
        first = learner(episode(store))
        assert torch.equal(first, learner(episode(store)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.state_dict().items())


def test_anil_leaves_the_encoder_alone(store: ClassStore, make: Callable[..., GradientLearner]) -> None:
    learner = make("anil").eval()
    with torch.no_grad():
        state = learner.adapt(episode(store).support, episode(store).classes)
    assert {tuple(each.shape) for each in state.adapted[0].parameters()} == {(5, learner.body.features), (5,)}


def test_a_head_is_float32_where_the_encoder_is_not(store: ClassStore, make: Callable[..., GradientLearner]) -> None:
    learner, batch = make("anil", test_steps=3).eval(), episode(store)
    support, query = (
        part._replace(inputs=learner.encode(part.inputs).detach()) for part in (batch.support, batch.query)
    )
    encoded = batch._replace(support=support, query=query)
    with torch.no_grad():
        learner = learner.on_features()
        expected = learner(encoded)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(learner(encoded), expected)


def test_episodes_of_fewer_classes_leave_the_others_out(
    store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    learner = make().eval()
    batch = episode(store, ways=(2, 5))
    with torch.no_grad():
        probabilities = learner(batch).exp()
    assert torch.allclose(probabilities.sum(-1), torch.ones(probabilities.shape[:2]))
    assert not (probabilities * ~batch.classes.present().unsqueeze(1)).any()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_stream_is_answered_as_step_by_step(
    algorithm: str, steps: int, store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    stream = Sampler(store, OnlineStream(ways=3, steps=6)).batch([0, 1])
    assert isinstance(stream, Stream)
    last = torch.tensor([[True] * 6, [True] * 5 + [False]])  # the second one is shorter
    stream = stream._replace(labels=stream.labels.where(last, PADDING))
    for first_order in (False, True):
        learner = make(algorithm, inner_rate=0.5, inner_steps=steps, test_steps=steps, first_order=first_order)
        found = []
        for answer in (learner.train().stream, lambda asked, learner=learner: StreamingLearner.stream(learner, asked)):
            learner.zero_grad()
            answers = answer(stream)
            answers[:, :, 0].sum().backward()
            found.append((answers, torch.cat([each.grad.flatten() for each in learner.parameters()])))
        assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
        assert torch.allclose(found[0][1], found[1][1], atol=1e-4)
        with torch.no_grad():
            evaluated = learner.eval().stream(stream)
        assert not evaluated.requires_grad
        assert torch.allclose(evaluated, found[0][0], atol=1e-5)


class PartlyFrozen(PixelEncoder):
    """Features times a gain that is trained, and an offset that is not; one parameter more is not used."""

    def __init__(self) -> None:
        super().__init__(16)
        self.gain = torch.nn.Parameter(torch.ones(self.features))
        self.offset = torch.nn.Parameter(torch.ones(self.features), requires_grad=False)
        self.unused = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.gain * super().forward(inputs) + self.offset


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("first_order", [False, True])
def test_frozen_and_unused_parameters_stay(
    algorithm: str, first_order: bool, store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    encoder = PartlyFrozen()
    learner = make(algorithm, encoder, first_order=first_order).train()
    batch = episode(store)
    learner.loss(batch).total.backward()
    assert encoder.gain.grad is not None
    assert encoder.offset.grad is None
    adapted = learner.adapt(batch.support, batch.classes).adapted[0].parameters()
    if algorithm != "anil":
        weights = dict(zip(dict(learner.adaptable.module.named_parameters()), adapted, strict=True))
        assert torch.equal(weights["0.offset"], encoder.offset)
        assert torch.equal(weights["0.unused"], encoder.unused)
        assert not torch.equal(weights["0.gain"], encoder.gain)


@pytest.mark.parametrize("algorithm", ["anil", "maml"])
def test_only_what_the_inner_loop_leaves_alone_is_encoded_beforehand(
    algorithm: str, store: ClassStore, make: Callable[..., GradientLearner]
) -> None:
    learner, batch = make(algorithm).eval(), episode(store)
    encoded = learner.encode(batch.query.inputs)
    assert encoded.is_floating_point() == (algorithm == "anil")
    state = learner.adapt(batch.support, batch.classes)
    assert torch.equal(learner.on_features().predict(state, encoded), learner.predict(state, batch.query.inputs))


def test_streams_and_sentences_go_too(store: ClassStore, make: Callable[..., GradientLearner]) -> None:
    stream = Sampler(store, OnlineStream(ways=3, steps=6)).batch([0])
    assert isinstance(stream, Stream)
    with torch.no_grad():
        assert make().eval().stream(stream).shape == (1, 6, 3)
        sentences = Sampler(toy_store(), GreedySentences(ways=3, shots=1)).batch([0, 1])
        learner = make(encoder=ToyEncoder(), outputs=4).eval()
        assert learner(sentences).shape == (*sentences.query.labels.shape, 4)


def test_more_classes_than_outputs_are_refused(make: Callable[..., GradientLearner]) -> None:
    images = torch.zeros(1, 6, 1, 16, 16, dtype=torch.uint8)
    with pytest.raises(ConfigError, match="5 outputs, but the episodes have 6 classes"):
        make().adapt(Examples(images, torch.arange(6).unsqueeze(0)), Classes.one_hot(1, 6))


@pytest.mark.parametrize(
    "wrong",
    [{"algorithm": "sgd"}, {"implementation": "jax"}, {"inner_rate": -1.0}, {"inner_steps": 0}, {"test_steps": 0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], make: Callable[..., GradientLearner]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        make(**wrong)


def test_without_learn2learn_the_message_names_the_command(
    monkeypatch: pytest.MonkeyPatch, make: Callable[..., GradientLearner]
) -> None:
    monkeypatch.setitem(sys.modules, "learn2learn", None)
    with pytest.raises(ConfigError, match=r"python -m metamann\.learners\.inner_loop\.install, or set"):
        make(implementation="learn2learn")


def test_auto_is_learn2learn_where_it_can_be_imported(
    monkeypatch: pytest.MonkeyPatch, implementation: str, make: Callable[..., GradientLearner]
) -> None:
    if implementation == "torch":
        monkeypatch.setitem(sys.modules, "learn2learn", None)
    assert make(implementation="auto").implementation == implementation
