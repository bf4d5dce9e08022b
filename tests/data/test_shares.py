"""Shares: all units are dealt once, equal ones together, as many as the shares say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.shares import deal
from metamann.errors import MetamannError


@given(st.lists(st.sampled_from("abcdefgh"), max_size=20), st.integers(0, 5))
def test_units_are_dealt_once_and_equal_ones_together(units: list[str], seed: int) -> None:
    parts = deal(units, (0.5, 0.25, 0.25), seed)
    assert sorted(number for numbers in parts.values() for number in numbers) == list(range(len(units)))
    homes = [{units[number] for number in numbers} for numbers in parts.values()]
    assert sum(len(home) for home in homes) == len(set(units))
    assert parts == deal(units, (0.5, 0.25, 0.25), seed)


@pytest.mark.parametrize(
    ("shares", "counts"), [((0.6, 0.2, 0.2), (6, 2, 2)), ((0, 0, 1), (0, 0, 10)), ((0.33, 0.33, 0.34), (3, 4, 3))]
)
def test_shares_are_kept(shares: tuple[float, ...], counts: tuple[int, ...]) -> None:
    parts = deal(range(10), shares, 0)
    assert tuple(len(parts[part]) for part in ("train", "val", "test")) == counts


def test_the_seed_chooses() -> None:
    assert len({tuple(deal(range(10), (0.5, 0.5, 0), seed)["train"]) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("shares", "seed"),
    [
        ((1, 0), 0),
        ((0.5, 0.5, 0.5), 0),
        ((1.5, -0.5, 0), 0),
        ("100", 0),
        (1, 0),
        ((1, "a", 0), 0),
        *(((1, 0, 0), seed) for seed in (-1, 2**64, 1.5, True, "0")),
    ],
)
def test_no_whole_and_no_seed_are_refused(shares: Any, seed: Any) -> None:
    with pytest.raises(MetamannError, match=r"data\.shares=" if seed == 0 else r"data\.seed="):
        deal("ab", shares, seed)
