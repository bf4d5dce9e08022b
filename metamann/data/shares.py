"""Units distributed over the three splits by share: classes, groups of classes, types of entities, texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metamann.errors import DataError, check_seed, setting


def deal(units: Sequence[Any], shares: Sequence[float], seed: int) -> dict[str, list[int]]:
    """Positions in `units` of train, val and test; equal units stay together.

    Args:
        units: one for each item, of a kind that can be sorted.
        shares: of the distinct units for train, val and test.
        seed: of the random order of the units.

    Raises:
        DataError: if there are not three shares that sum to 1.
        ConfigError: if the seed is not a whole number in range.
    """
    numbers = isinstance(shares, Sequence) and all(type(share) in (int, float) and share >= 0 for share in shares)
    if not numbers or len(shares) != 3 or not np.isclose(sum(shares), 1):
        raise DataError(f"data.shares={setting(shares)} must be three shares of train, val and test that sum to 1.")
    check_seed("data.seed", seed)
    distinct = sorted(set(units))
    order = np.random.default_rng(seed).permutation(len(distinct))
    borders = np.round(np.cumsum(shares) * len(distinct)).astype(int)
    part_of = {
        distinct[unit]: part
        for part, numbers in zip(("train", "val", "test"), np.split(order, borders[:2]), strict=True)
        for unit in numbers
    }
    return {
        part: [number for number, unit in enumerate(units) if part_of[unit] == part]
        for part in ("train", "val", "test")
    }
