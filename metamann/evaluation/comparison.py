"""Learners compared on one task list: means, paired differences, and p values corrected for many comparisons.

References:
    [H79] Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metamann.errors import EpisodeError
from metamann.evaluation.metrics import Interval

RESAMPLES = 10_000
AT_ONCE = 5_000_000  # weights drawn by one operation


class Contestant(NamedTuple):
    """A learner, trained with one or several seeds, and its scores.

    A score over episodes is the sum of `right` divided by the sum of `total`. It is pooled, as F1 over all entities,
    or, if `total` is 1 in every episode, the mean over episodes.

    Attributes:
        name: in the table.
        seeds: of its training runs.
        right: `seeds x episodes`, of the same episodes for all contestants.
        total: `seeds x episodes`; 0 where an episode has nothing to score.
        facts: further columns: parameters, episodes and seconds of training, milliseconds to adapt and to predict.

    Examples:
        >>> scores = np.linspace(0.5, 0.9, 20)[None]  # of one training and 20 episodes
        >>> first = Contestant("first", (0,), scores, np.ones_like(scores), {})
        >>> second = Contestant("second", (0,), scores + 0.05, np.ones_like(scores), {})
        >>> round(compare([first, second])[1].difference.mean, 2)
        0.05
    """

    name: str
    seeds: tuple[int, ...]
    right: np.ndarray
    total: np.ndarray
    facts: dict[str, float]


class Compared(NamedTuple):
    """A row of the comparison.

    Attributes:
        name: of the contestant.
        score: its mean over seeds and episodes, with its 95 % interval over episodes.
        by_seed: mean over episodes for each seed.
        difference: to the first contestant, paired by episode and by the training seeds that both have; None for the
            first.
        p: two-sided p value of no difference, at least `least_p`, corrected for all comparisons [H79]; None for the
            first.
        facts: of the contestant.

    Examples:
        >>> row = Compared("keyvalue", Interval(0.9, 0.88, 0.92), (0.89, 0.91), None, None, {"parameters": 1000})
        >>> row.score.high, row.by_seed
        (0.92, (0.89, 0.91))
    """

    name: str
    score: Interval
    by_seed: tuple[float, ...]
    difference: Interval | None
    p: float | None
    facts: dict[str, float]


def compare(contestants: Sequence[Contestant], seed: int = 0) -> list[Compared]:
    """Compare all contestants with the first, by one bootstrap over episodes.

    Training seeds are pooled before episodes are drawn, so intervals and p values measure the variation over episodes
    for these trained networks only; `by_seed` shows the variation over seeds. A difference uses the training seeds that
    both have, or all of them where they have none in common.

    Args:
        contestants: at least one.
        seed: of the bootstrap.

    Raises:
        EpisodeError: if their numbers of episodes differ.
    """
    sizes = {contestant.right.shape[1] for contestant in contestants}
    if len(sizes) > 1:
        raise EpisodeError(f"scores of {sorted(sizes)} episodes cannot be compared in pairs; use one task list.")
    # pooled over seeds: first every contestant, then both sides of every difference
    pools = [(contestant.right.sum(0), contestant.total.sum(0)) for contestant in contestants]
    for contestant in contestants[1:]:
        pools += _on_common_seeds(contestants[0], contestant)
    right, total = (np.stack(part) for part in zip(*pools, strict=True))
    drawn = _resampled_scores(right, total, seed)
    means = _share(right, total)
    ours, theirs = slice(len(contestants), None, 2), slice(len(contestants) + 1, None, 2)
    differences, drawn_differences = means[theirs] - means[ours], drawn[theirs] - drawn[ours]
    floor = least_p(right.shape[1])
    p = holm([max(floor, _two_sided(row)) for row in drawn_differences])
    rows = []
    for number, contestant in enumerate(contestants):
        other = number - 1  # the first has no difference
        rows.append(
            Compared(
                contestant.name,
                _interval(float(means[number]), drawn[number]),
                tuple(float(value) for value in _share(contestant.right, contestant.total)),
                _interval(float(differences[other]), drawn_differences[other]) if number else None,
                p[other] if number else None,
                contestant.facts,
            )
        )
    return rows


def _on_common_seeds(first: Contestant, other: Contestant) -> list[tuple[np.ndarray, np.ndarray]]:
    """`right` and `total` of both, `episodes`, pooled over the training seeds that both have."""
    common = set(first.seeds) & set(other.seeds)
    pooled = []
    for contestant in (first, other):
        rows = [row for row, seed in enumerate(contestant.seeds) if seed in common or not common]
        pooled.append((contestant.right[rows].sum(0), contestant.total[rows].sum(0)))
    return pooled


def least_p(episodes: int) -> float:
    """The smallest two-sided p that so many paired episodes can show: 2^(1 - n).

    If two learners do not differ, each of the n paired differences is as likely to have one sign as the other, so all
    2^n assignments of signs are equally likely. The most extreme results are n equal signs, which are 2 of the 2^n. A
    bootstrap of few episodes would report a smaller p: where all differences have one sign, the mean of every resample
    has that sign too, for any number of episodes.
    """
    return 2.0 ** (1 - episodes)


def holm(p: Sequence[float]) -> list[float]:
    """The p values corrected for their number, step by step from the smallest [H79]."""
    order = np.argsort(p)
    factors = len(p) - np.arange(len(p))
    corrected = np.minimum(1.0, np.maximum.accumulate(np.array(p)[order] * factors)) if len(p) else np.array([])
    unsorted = np.empty(len(p))
    unsorted[order] = corrected
    return [float(value) for value in unsorted]


def _resampled_scores(right: np.ndarray, total: np.ndarray, seed: int) -> np.ndarray:
    """Scores over episodes drawn with replacement, the same draws for all, `contestants x RESAMPLES`."""
    episodes = right.shape[1]
    rng, parts, left = np.random.default_rng(seed), [], RESAMPLES
    while left:
        now = min(left, max(1, AT_ONCE // episodes))
        weights = rng.multinomial(episodes, np.full(episodes, 1 / episodes), now).T
        with np.errstate(invalid="ignore"):  # where all drawn episodes have nothing to score
            parts.append((right @ weights) / (total @ weights))
        left -= now
    return np.where(total.any(1, keepdims=True), np.concatenate(parts, 1), 0.0)


def _share(right: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Score of each row; 0 where no episode has anything to score, neither a labelled nor a predicted entity."""
    whole = total.sum(1)
    return np.where(whole > 0, right.sum(1) / np.where(whole > 0, whole, 1), 0.0)


def _interval(mean: float, drawn: np.ndarray) -> Interval:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Interval(mean, float(low), float(high))


def _two_sided(differences: np.ndarray) -> float:
    """Twice the share of resampled differences on the rarer side of 0, counting at least one of them."""
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(differences) + 1))
