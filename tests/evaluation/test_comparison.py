"""Comparisons: paired, pooled, and corrected for their number."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.errors import EpisodeError
from metamann.evaluation.comparison import Contestant, compare, holm, least_p

RNG = np.random.default_rng(0)
HARD = RNG.uniform(0.2, 1.0, 300)  # how hard each episode is, for everyone


def contestant(name: str, *scores: np.ndarray, seeds: tuple[int, ...] | None = None) -> Contestant:
    right = np.stack(scores)
    return Contestant(name, seeds or tuple(range(len(right))), right, np.ones_like(right), {"parameters": 1234567})


def test_a_small_difference_is_seen_in_pairs_where_the_intervals_overlap() -> None:
    first, second = compare([contestant("a", HARD), contestant("b", HARD - 0.01 + 0.01 * RNG.standard_normal(300))])
    assert first.score.low < second.score.high
    assert second.difference is not None
    assert second.difference.high < 0
    assert second.difference.mean == pytest.approx(second.score.mean - first.score.mean)
    assert second.p is not None
    assert second.p < 0.001
    assert first.difference is None
    assert first.p is None


def test_the_interval_is_that_of_the_mean() -> None:
    (row,) = compare([contestant("a", HARD)])
    half = 1.96 * HARD.std(ddof=1) / np.sqrt(300)
    assert row.score.mean == pytest.approx(HARD.mean())
    assert (row.score.high - row.score.low) / 2 == pytest.approx(half, rel=0.05)


def test_pooled_scores_weigh_episodes_by_what_they_ask() -> None:
    right, asked = np.array([[8.0, 0.0, 0.0]]), np.array([[10.0, 2.0, 0.0]])
    (row,) = compare([Contestant("f1", (0,), right, asked, {})])
    assert row.score.mean == pytest.approx(8 / 12)


def test_seeds_are_pooled_and_their_spread_is_told() -> None:
    row, _ = compare([contestant("a", HARD, HARD - 0.1), contestant("b", HARD, HARD)])
    assert row.score.mean == pytest.approx(HARD.mean() - 0.05)
    assert row.by_seed == pytest.approx((HARD.mean(), HARD.mean() - 0.1))


def test_a_difference_is_of_the_seeds_that_both_have() -> None:
    first = contestant("a", HARD, HARD - 0.1, HARD - 0.3)
    _, one, other = compare([first, contestant("b", HARD - 0.02, seeds=(1,)), contestant("c", HARD - 0.02, seeds=(7,))])
    assert one.difference is not None
    assert one.difference.mean == pytest.approx(0.08)
    assert one.difference.low <= one.difference.mean <= one.difference.high
    # none in common: of all
    assert other.difference is not None
    assert other.difference.mean == pytest.approx(0.4 / 3 - 0.02)


@pytest.mark.parametrize(("episodes", "least"), [(2, 0.5), (4, 0.125), (10, 2 / 1024), (1000, 2 / 10001)])
def test_few_episodes_show_no_smaller_p_than_their_signs_do(episodes: int, least: float) -> None:
    scores = RNG.uniform(0.2, 1.0, episodes)
    _, second = compare([contestant("a", scores), contestant("b", scores - 0.1)])
    assert second.p == pytest.approx(least)


@pytest.mark.parametrize("episodes", [1, 2, 5])
def test_the_least_p_is_that_of_all_flips_of_signs(episodes: int) -> None:
    sums = [abs(sum(signs)) for signs in itertools.product((-1, 1), repeat=episodes)]
    assert least_p(episodes) == sums.count(episodes) / len(sums)


def test_the_correction_is_of_the_least_p() -> None:
    scores = RNG.uniform(0.2, 1.0, 4)
    _, second, third = compare(
        [contestant(name, scores - shift) for name, shift in (("a", 0.0), ("b", 0.1), ("c", 0.2))]
    )
    assert (second.p, third.p) == (0.25, 0.25)


def test_equal_learners_do_not_differ() -> None:
    _, second = compare([contestant("a", HARD), contestant("b", HARD)])
    assert second.difference == (0, 0, 0)
    assert second.p == 1


def test_false_alarms_are_as_rare_as_they_should_be() -> None:
    rng, alarms = np.random.default_rng(3), 0
    for _ in range(60):
        one, other = (HARD + 0.1 * rng.standard_normal(300) for _ in range(2))
        p = compare([contestant("a", one), contestant("b", other)])[1].p
        assert p is not None
        alarms += p < 0.05
    assert alarms <= 9  # 3 are expected


def test_holm_on_a_worked_example() -> None:
    # 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.04 * 1: the last two may not fall below the ones before
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_correction_only_raises_and_keeps_the_order(p: list[float]) -> None:
    corrected = holm(p)
    for before, after in zip(p, corrected, strict=True):
        assert before <= after + 1e-12
        assert after <= 1
    ordered = [corrected[number] for number in np.argsort(p, kind="stable")]
    assert ordered == sorted(ordered)


def test_where_nothing_is_asked_and_nothing_answered_the_score_is_0_as_of_metamann_evaluate() -> None:
    nothing, some = np.zeros((1, 3)), np.array([[1.0, 0.0, 1.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = compare([Contestant("none", (0,), nothing, nothing, {}), Contestant("some", (0,), some, some, {})])
    assert [row.score for row in rows] == [(0, 0, 0), (1, 1, 1)]
    assert rows[0].by_seed == (0,)
    assert rows[1].difference == (1, 1, 1)


def test_other_episodes_are_refused() -> None:
    with pytest.raises(EpisodeError, match=r"\[299, 300\] episodes"):
        compare([contestant("a", HARD), contestant("b", HARD[1:])])
