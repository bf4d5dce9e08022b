"""Settings of a protocol that are a number, or a range `[low, high]` to draw from for every episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metamann.errors import EpisodeError


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


def check(name: str, value: int | Sequence[int], least: int = 1) -> None:
    """Refuse what is no number or range of them, or is below the least.

    Raises:
        EpisodeError: with the setting's name.
    """
    given = value
    if isinstance(value, int):
        value = (value, value)
    if not isinstance(value, Sequence) or isinstance(value, str) or [type(end) for end in value] != [int, int]:
        raise EpisodeError(f"{name}={value} must be a whole number or a range [low, high] of them.")
    if not least <= value[0] <= value[1]:
        raise EpisodeError(f"{name}={given} must be at least {least}, and low at most high.")
