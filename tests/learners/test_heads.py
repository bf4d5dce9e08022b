"""Heads: masses on labels to log-probabilities, never more on first instances than the best guess."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metamann.episodes.episode import Classes
from metamann.learners.heads import LabelMassHead, LinearHead
from metamann.learners.learner import log_probabilities


def reads_of(masses: list[float]) -> Tensor:
    return torch.tensor(masses).view(1, 1, -1)


def shown_of(*shown: bool) -> Tensor:
    return torch.tensor(shown).view(1, 1, -1)


def test_unused_classes_share_the_never_seen_mass_evenly() -> None:
    log_probs = LabelMassHead()(
        reads_of([0.3, 0.0, 0.1, 0.0, 0.6]), Classes.one_hot(1, 4), shown_of(True, False, True, False)
    )
    torch.testing.assert_close(log_probs.exp()[0, 0], torch.tensor([0.3, 0.3, 0.1, 0.3]))


def test_never_seen_is_dropped_when_every_class_was_shown() -> None:
    log_probs = LabelMassHead()(reads_of([0.3, 0.1, 0.6]), Classes.one_hot(1, 2), shown_of(True, True))
    torch.testing.assert_close(log_probs.exp()[0, 0], torch.tensor([0.75, 0.25]))


def test_classes_that_an_episode_does_not_have_get_nothing() -> None:
    classes = Classes(torch.tensor([2]), torch.eye(4).unsqueeze(0))
    log_probs = LabelMassHead()(reads_of([0.4, 0.0, 0.0, 0.0, 0.6]), classes, shown_of(True, False, False, False))
    torch.testing.assert_close(log_probs.exp()[0, 0], torch.tensor([0.4, 0.6, 0.0, 0.0]))


def test_a_class_that_was_not_shown_is_only_guessed() -> None:
    """Codes that are not orthogonal leave some mass of a shown class on one that was not."""
    log_probs = LabelMassHead()(reads_of([0.4, 0.2, 0.0, 0.4]), Classes.one_hot(1, 3), shown_of(True, False, False))
    torch.testing.assert_close(log_probs.exp()[0, 0], torch.tensor([0.5, 0.25, 0.25]))


def test_no_mass_at_all_is_finite() -> None:
    log_probs = LabelMassHead()(torch.zeros(1, 1, 4), Classes.one_hot(1, 3), shown_of(True, True, False))
    assert log_probs.isfinite().all()


@pytest.mark.parametrize("ways", [2, 5, 15])
def test_perfect_novelty_reaches_the_ceiling_of_first_instances(ways: int) -> None:
    """The k-th new class is guessed among ways - k + 1 unused ones: on average H_C / C, whatever the order."""
    order = torch.randperm(ways, generator=torch.Generator().manual_seed(0))
    shown = torch.zeros(1, ways, ways, dtype=torch.bool)
    for k in range(1, ways):
        shown[0, k, order[:k]] = True
    reads = torch.zeros(1, ways, ways + 1)
    reads[..., -1] = 1
    probability = LabelMassHead()(reads, Classes.one_hot(1, ways), shown).exp()[0, torch.arange(ways), order]
    assert float(probability.mean()) == pytest.approx(sum(1 / k for k in range(1, ways + 1)) / ways, rel=1e-5)


def test_masses_are_found_through_orthonormal_codes() -> None:
    codes = torch.linalg.qr(torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(1)))[0][:, :3]
    masses, shown = torch.tensor([[[0.5, 0.2, 0.1]]]), shown_of(True, True, True)
    reads = torch.cat([masses @ codes, torch.full((1, 1, 1), 0.2)], -1)
    log_probs = LabelMassHead()(reads, Classes(torch.tensor([3]), codes), shown)
    torch.testing.assert_close(log_probs.exp(), masses / masses.sum())


def test_linear_head_is_a_linear_softmax_layer_for_one_hot_codes() -> None:
    head = LinearHead(read_width=4, code_width=3)
    reads = torch.randn(2, 5, 4)
    expected = (reads @ head.to_code.weight.T + head.to_code.bias).log_softmax(-1)
    shown = torch.zeros(2, 5, 3, dtype=torch.bool)
    torch.testing.assert_close(head(reads, Classes.one_hot(2, 3), shown), expected)
    fewer = (reads @ head.to_code.weight[:2].T + head.to_code.bias[:2]).log_softmax(-1)
    torch.testing.assert_close(head(reads, Classes.one_hot(2, 2), shown[..., :2]), fewer)


def test_linear_head_starts_from_given_weights() -> None:
    start = torch.randn(3, 4)
    assert torch.equal(LinearHead(4, 3, start).to_code.weight, start)


def test_log_probabilities_leave_absent_classes_out() -> None:
    classes = Classes(torch.tensor([1, 3]), torch.eye(3).expand(2, 3, 3))
    logits = torch.tensor([[[0.0, 5.0, 5.0]], [[1.0, 2.0, 3.0]]])
    log_probs = log_probabilities(logits, classes)
    torch.testing.assert_close(log_probs[0, 0], torch.tensor([0.0, -torch.inf, -torch.inf]))
    torch.testing.assert_close(log_probs[1, 0], torch.tensor([1.0, 2.0, 3.0]).log_softmax(0))
