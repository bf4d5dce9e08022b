"""Settings of a protocol that are a number, or a range `[low, high]` to draw from for every episode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metamann.errors import LARGEST_SIZE, EpisodeError, setting


def ends(value: int | Sequence[int]) -> tuple[int, int]:
    """Lowest and highest number."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def plain(value: int | Sequence[int]) -> int | list[int]:
    """The setting as plain data, as reports print it."""
    return value if isinstance(value, int) else list(value)


def draw(value: int | Sequence[int], rng: np.random.Generator) -> int:
    """A number of the range, all equally likely; a range of one number leaves the generator as it is."""
    low, high = ends(value)
    return low if low == high else int(rng.integers(low, high + 1))


def check(name: str, value: object, least: int = 1, ranged: bool = True) -> None:
    """Refuse a value that is neither a number nor a range of numbers, or is out of bounds.

    Args:
        name: of the setting.
        value: of the setting.
        least: smallest number.
        ranged: whether a range of numbers is accepted too.

    Raises:
        EpisodeError: with the setting's name.
    """
    bounds: Any = value if ranged and isinstance(value, Sequence) else (value, value)
    if isinstance(bounds, str) or [type(bound) for bound in bounds] != [int, int]:
        kind = "a whole number or a range [low, high] of them" if ranged else "a whole number"
        raise EpisodeError(f"{name}={setting(value)} must be {kind}.")
    if not least <= bounds[0] <= bounds[1] <= LARGEST_SIZE:
        order = ", and low at most high" if ranged else ""
        raise EpisodeError(f"{name}={setting(value)} must be {least} to {LARGEST_SIZE}{order}.")
