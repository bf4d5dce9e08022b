"""The inner loop on torch.func: the numbers and the names of learn2learn's."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_words import ToyEncoder, toy_store

from metamann.data.store import ClassStore
from metamann.encoders.conv import ConvEncoder
from metamann.encoders.recurrent import RecurrentEncoder
from metamann.episodes.items.protocols import NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.learners.gradient_based import GradientLearner
from metamann.learners.inner_loop.functional import FastWeights, Start
from metamann.memory.pairs.prototypes import PrototypeMemory

PROTOCOLS = {
    "episodes": NWayKShot(ways=(2, 5), shots=2, queries=2),
    "stream": OnlineStream(ways=3, steps=6),
}


class PartlyFrozen(ConvEncoder):
    """One parameter is frozen, and one is not used."""

    def __init__(self) -> None:
        super().__init__(size=16, channels=4)
        next(self.parameters()).requires_grad_(False)
        self.unused = nn.Parameter(torch.ones(2))


class Tied(ConvEncoder):
    """One parameter is held by two modules."""

    def __init__(self) -> None:
        super().__init__(size=16, channels=4)
        self.first, self.second = (nn.Linear(self.features, self.features) for _ in range(2))
        self.second.weight = self.first.weight

    def forward(self, inputs: Any) -> Tensor:
        answers: Tensor = self.second(self.first(super().forward(inputs)))
        return answers


ENCODERS = {
    "conv": lambda: ConvEncoder(size=16, channels=4),
    "partly_frozen": PartlyFrozen,
    "tied": Tied,
    "toy_words": ToyEncoder,
    "recurrent": lambda: RecurrentEncoder(ToyEncoder(), hidden=4, layers=2),
}


def pair(encoder: str, algorithm: Any, **options: Any) -> list[GradientLearner]:
    """The same learner in both implementations."""
    made = []
    for implementation in ("learn2learn", "torch"):
        torch.manual_seed(0)
        inside = ENCODERS[encoder]()
        memory = PrototypeMemory(int(inside.features), 5)
        made.append(GradientLearner(inside, memory, 5, algorithm, implementation=implementation, **options))
    made[1].load_state_dict(made[0].state_dict())
    return made


def assert_equal(learners: list[GradientLearner], batch: Any) -> None:
    """Answers, loss and gradients in training, answers in evaluation."""
    found = []
    for learner in learners:
        learner.train()
        answers = learner(batch)
        learner.loss(batch).total.backward()
        gradients = {name: each.grad for name, each in learner.named_parameters() if each.grad is not None}
        with torch.no_grad():
            found.append((answers, gradients, learner.eval()(batch)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("learn2learn")
@pytest.mark.parametrize("algorithm", ["maml", "anil", "meta_sgd"])
@pytest.mark.parametrize(("first_order", "steps"), list(itertools.product([False, True], [1, 3])))
@pytest.mark.parametrize("kind", list(PROTOCOLS))
@pytest.mark.parametrize("encoder", ["conv", "partly_frozen"])
def test_numbers_are_those_of_learn2learn(
    algorithm: str, first_order: bool, steps: int, kind: str, encoder: str, store: ClassStore
) -> None:
    options = {"inner_rate": 0.3, "inner_steps": steps, "test_steps": steps + 1, "first_order": first_order}
    assert_equal(pair(encoder, algorithm, **options), Sampler(store, PROTOCOLS[kind]).batch([0, 1]))


@pytest.mark.usefixtures("learn2learn")
def test_tied_weights_stay_tied(store: ClassStore) -> None:
    # Meta-SGD of learn2learn takes no second step with them
    assert_equal(pair("tied", "maml", inner_steps=2), Sampler(store, PROTOCOLS["episodes"]).batch([0, 1]))


@pytest.mark.usefixtures("learn2learn")
@pytest.mark.parametrize("algorithm", ["maml", "anil", "meta_sgd"])
@pytest.mark.parametrize("encoder", ["toy_words", "recurrent"])
def test_numbers_on_sentences_are_those_of_learn2learn(algorithm: str, encoder: str) -> None:
    batch = Sampler(toy_store(), GreedySentences(ways=3, shots=1)).batch([0, 1])
    assert_equal(pair(encoder, algorithm, inner_steps=2), batch)


@pytest.mark.usefixtures("learn2learn")
@pytest.mark.parametrize("algorithm", ["maml", "anil", "meta_sgd"])
def test_a_state_is_gone_on_from_as_in_learn2learn(algorithm: str, store: ClassStore) -> None:
    batch: Any = Sampler(store, PROTOCOLS["episodes"]).batch([0, 1])
    found = []
    for learner in pair("conv", algorithm):
        first = learner.adapt(batch.support, batch.classes)
        before = learner.predict(first, batch.query.inputs)
        second = learner.adapt(batch.support, batch.classes, first)
        assert torch.equal(learner.predict(first, batch.query.inputs), before)
        found.append(learner.predict(second, batch.query.inputs))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("learn2learn")
@pytest.mark.parametrize("algorithm", ["maml", "anil", "meta_sgd"])
def test_a_checkpoint_of_each_opens_in_the_other(algorithm: str) -> None:
    learners = pair("conv", algorithm)
    states = [learner.state_dict() for learner in learners]
    assert list(states[0]) == list(states[1])
    assert [name for name, _ in learners[0].named_parameters()] == [name for name, _ in learners[1].named_parameters()]
    for learner, state in zip(learners, reversed(states), strict=True):
        learner.load_state_dict(state)


def test_names_in_a_checkpoint_are_those_that_old_ones_have() -> None:
    learner = GradientLearner(
        ConvEncoder(size=16, channels=4), PrototypeMemory(4, 5), 5, "meta_sgd", implementation="torch"
    )
    names = list(learner.state_dict())
    assert "adaptable.module.1.weight" in names
    assert f"adaptable.lrs.{len(list(learner.adaptable.module.parameters())) - 1}" in names
    assert all(name.startswith(("adaptable.module.", "adaptable.lrs.")) for name in names)


@pytest.mark.parametrize("network", [nn.Linear(6, 6), nn.GRU(6, 3, bidirectional=True)], ids=["linear", "recurrent"])
def test_threads_that_ask_networks_of_one_start_do_not_meet(network: nn.Module) -> None:
    inputs = torch.randn(4, 50, 6)
    start = Start(nn.Sequential(network), 0.1, learned=False)
    asked = [FastWeights.of(start) for _ in range(4)]
    for number, each in enumerate(asked):
        each.descend([torch.full_like(weight, number) for weight in each.parameters()])

    def answers(number: int) -> list[Tensor]:
        with torch.no_grad():
            return [torch.as_tensor(asked[number % 4](inputs)[0]) for _ in range(20)]

    alone = [answers(number)[0] for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(answers, range(16))):
            assert all(torch.equal(each, alone[number % 4]) for each in found)
    assert torch.equal(torch.as_tensor(start.module(inputs)[0]), alone[0])
