"""CRF: likelihoods against all paths, gradients against differences, padding that is no part of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from paths import all_paths, random_emissions, random_transitions

from metamann.decoding.crf import log_likelihood, log_marginals, log_partition
from metamann.decoding.transitions import Transitions, TransitionScores, cell_names
from metamann.episodes.episode import PADDING

schemes = pytest.mark.parametrize("scheme", ["io", "bio"])


@schemes
@pytest.mark.parametrize(("classes", "length"), [(1, 5), (2, 4), (10, 2)])
def test_likelihoods_are_shares_of_all_paths(scheme: Any, classes: int, length: int) -> None:
    tags = 1 + classes * (1 if scheme == "io" else 2)
    transitions = random_transitions(scheme, torch.tensor([tags]), tags)
    emissions = random_emissions(1, 1, length, tags)
    paths = {
        path: score
        for path, score in all_paths(emissions[0, 0], transitions.start[0], transitions.matrix[0]).items()
        if score > -math.inf
    }
    labels = torch.tensor([list(paths)])  # 1 x paths x length
    repeated = emissions.expand(1, len(paths), length, tags)
    found = log_likelihood(repeated, transitions, labels)[0]
    total = torch.logsumexp(torch.tensor(list(paths.values()), dtype=torch.float64), 0)
    torch.testing.assert_close(found, torch.tensor(list(paths.values()), dtype=torch.float64) - total)
    assert float(found.exp().sum()) == pytest.approx(1)


def test_labels_that_are_not_legal_have_no_likelihood() -> None:
    transitions = random_transitions("bio", torch.tensor([5]), 5)
    for labels in ([2, 0], [0, 2], [1, 4], [2, 4]):
        found = log_likelihood(random_emissions(1, 1, 2, 5), transitions, torch.tensor([[labels]]))
        assert float(found.exp()) == 0
        assert torch.isfinite(found).all()


@schemes
def test_padding_and_company_change_nothing(scheme: Any) -> None:
    ways = torch.tensor([3, 7])
    transitions = random_transitions(scheme, ways, 7)
    emissions = random_emissions(2, 3, 6, 7)
    emissions[0, :, :, 3:] = -torch.inf
    labels = torch.tensor([[[1, 0, 1], [0, 0, 1], [PADDING] * 3], [[1, 0, 3], [0, PADDING, PADDING], [3, 3, 0]]])
    labels = torch.nn.functional.pad(labels, (0, 3), value=PADDING)
    together = log_likelihood(emissions, transitions, labels)
    assert together[0, 2] == 0
    for episode, tags in enumerate(ways.tolist()):
        mine = random_transitions(scheme, ways[episode : episode + 1], tags)
        for sentence in range(3):
            length = int((labels[episode, sentence] != PADDING).sum())
            alone = log_likelihood(
                emissions[episode, sentence, :length, :tags].view(1, 1, length, tags),
                mine,
                labels[episode, sentence, :length].view(1, 1, length),
            )
            torch.testing.assert_close(alone[0, 0], together[episode, sentence])


@schemes
@pytest.mark.parametrize("ways", [[3, 3], [3, 5]])
def test_gradients_are_those_of_differences(scheme: Any, ways: list[int]) -> None:
    """Through the collapsed table, also where tags are absent or there is one class only."""
    labels = torch.tensor([[[1, 1, 0], [0, PADDING, PADDING]], [[0, 1, 1], [1, 0, PADDING]]])
    if scheme == "bio":
        labels[:, :, :] = torch.tensor([[[1, 2, 0], [0, PADDING, PADDING]], [[0, 1, 2], [1, 0, PADDING]]])
    numbers = torch.tensor(ways)
    module = Transitions(scheme, torch.randn(len(cell_names(scheme)), dtype=torch.float64))

    def likelihood(emissions: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        spread = torch.func.functional_call(module, {"scores": scores}, (numbers, 5))
        return log_likelihood(emissions, TransitionScores(*spread), labels)

    emissions = random_emissions(2, 2, 3, 5).requires_grad_()
    scores = module.scores.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(likelihood, (emissions, scores))


def test_gradients_of_the_partition_are_the_shares_of_each_tag() -> None:
    transitions = random_transitions("bio", torch.tensor([3]), 3)
    emissions = random_emissions(1, 1, 4, 3).requires_grad_()
    log_partition(emissions, transitions, torch.ones(1, 1, 4).bool()).sum().backward()
    paths = all_paths(emissions.detach()[0, 0], transitions.start[0], transitions.matrix[0])
    total = sum(math.exp(score) for score in paths.values())
    expected = torch.zeros(4, 3, dtype=torch.float64)
    for path, score in paths.items():
        for step, tag in enumerate(path):
            expected[step, tag] += math.exp(score) / total
    torch.testing.assert_close(emissions.grad[0, 0], expected)  # type: ignore[index]


def test_a_long_sentence_keeps_its_precision() -> None:
    transitions = random_transitions("bio", torch.tensor([11]), 11)
    emissions, labels = random_emissions(1, 1, 1000, 11), torch.zeros(1, 1, 1000, dtype=torch.int64)
    single = TransitionScores(*(scores.float() for scores in transitions))
    exact = log_likelihood(emissions, transitions, labels)
    torch.testing.assert_close(log_likelihood(emissions.float(), single, labels).double(), exact, rtol=1e-5, atol=0)


def test_no_words_at_all_have_likelihood_one() -> None:
    transitions = random_transitions("io", torch.tensor([3]), 3)
    labels = torch.zeros(1, 2, 0, dtype=torch.int64)
    assert log_likelihood(random_emissions(1, 2, 0, 3), transitions, labels).tolist() == [[0, 0]]


@schemes
@pytest.mark.parametrize(("classes", "length"), [(1, 4), (2, 4), (10, 2)])
def test_marginals_are_sums_over_all_paths_and_padding_changes_none(scheme: Any, classes: int, length: int) -> None:
    tags = 1 + classes * (1 if scheme == "io" else 2)
    transitions = random_transitions(scheme, torch.tensor([tags]), tags)
    emissions = random_emissions(1, 1, length, tags)
    emissions[0, 0, 0, tags - 1] = -torch.inf
    paths = all_paths(emissions[0, 0], transitions.start[0], transitions.matrix[0])
    scores = torch.tensor(list(paths.values()), dtype=torch.float64)
    shares = (scores - torch.logsumexp(scores, 0)).exp()
    expected = torch.zeros(length, tags, dtype=torch.float64)
    for path, share in zip(paths, shares, strict=True):
        for step, tag in enumerate(path):
            expected[step, tag] += share
    padded = torch.nn.functional.pad(emissions, (0, 0, 0, 3))
    present = torch.arange(length + 3) < length
    found = log_marginals(padded, transitions, present.view(1, 1, -1))[0, 0, :length]
    torch.testing.assert_close(found.exp(), expected)
    assert found[0, tags - 1] == -math.inf
    assert log_marginals(emissions[:, :, :0], transitions, present[:0].view(1, 1, 0)).shape == (1, 1, 0, tags)
