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
    """The setting as it is printed."""
    return value if isinstance(value, int) else list(value)


def draw(value: int | Sequence[int], rng: np.random.Generator) -> int:
    """A number of the range, all equally likely; nothing is drawn where there is no choice."""
    low, high = ends(value)
    return low if low == high else int(rng.integers(low, high + 1))


def check(name: str, value: object, least: int = 1, ranged: bool = True) -> None:
    """Refuse what is no number or range of them, or is out of bounds.

    Args:
        name: of the setting.
        value: what it is set to.
        least: smallest number.
        ranged: a range of numbers may be given too.

    Raises:
        EpisodeError: with the setting's name.
    """
    given: Any = value if ranged and isinstance(value, Sequence) else (value, value)
    if isinstance(given, str) or [type(end) for end in given] != [int, int]:
        kind = "a whole number or a range [low, high] of them" if ranged else "a whole number"
        raise EpisodeError(f"{name}={setting(value)} must be {kind}.")
    if not least <= given[0] <= given[1] <= LARGEST_SIZE:
        order = ", and low at most high" if ranged else ""
        raise EpisodeError(f"{name}={setting(value)} must be {least} to {LARGEST_SIZE}{order}.")
