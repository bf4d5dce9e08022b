"""The errors a user can cause: one readable message that names the fix, exit status 2, no traceback."""

from __future__ import annotations

import math
from collections.abc import Sequence

LONGEST_MESSAGE = 300  # characters
LONGEST_EXCERPT = 60
MOST_EXCERPTS, LONGEST_EXCERPT_OF_MANY = 5, 40
LARGEST_SEED = 2**64 - 1  # torch takes no larger one


class MetamannError(Exception):
    """Base of every error that the commands print as one line `error: ...` and turn into exit status 2.

    Args:
        message: what is wrong and what to do; white space is folded, and beyond 300 characters its middle is left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message, LONGEST_MESSAGE))


def shorten(text: object, most: int) -> str:
    """A text in one line of at most `most` characters: the start says what is wrong, the end what to do."""
    line = " ".join(str(text).split()).encode("utf-8", "backslashreplace").decode()
    if len(line) <= most:
        return line
    end = (most - 5) // 2
    return f"{line[: most - 5 - end]} ... {line[len(line) - end :]}"


def excerpt(text: object) -> str:
    """What a user wrote, short enough to be quoted inside a message."""
    return shorten(text, LONGEST_EXCERPT)


def excerpts(names: Sequence[object]) -> str:
    """The first few of a list of names, each short enough to be quoted, and how many more there are."""
    more = f" and {len(names) - MOST_EXCERPTS:,} more" if len(names) > MOST_EXCERPTS else ""
    return ", ".join(shorten(name, LONGEST_EXCERPT_OF_MANY) for name in names[:MOST_EXCERPTS]) + more


class DataError(MetamannError):
    """Data that are missing, incomplete or unreadable."""


class EpisodeError(MetamannError):
    """Episodes that the data set cannot give: more ways than classes, more shots than items."""


class CheckpointError(MetamannError):
    """A checkpoint that is missing, corrupt, foreign, or of another learner."""


class ConfigError(MetamannError):
    """A configuration that names something unknown or contradicts itself."""


class TrainingError(MetamannError):
    """Meta-training that cannot go on: a loss that is not finite, a disk that is full."""


def check_number(name: str, value: object, *, least: float, most: float = math.inf, whole: bool = False) -> None:
    """Refuse a setting that is no number, too small or too large a one.

    Raises:
        ConfigError: with the setting's name.
    """
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        raise ConfigError(f"{name}={excerpt(value)} must be {kind}, at least {least:g}.")
    if value < least:
        raise ConfigError(f"{name}={excerpt(value)} must be at least {least:g}.")
    if value > most:
        raise ConfigError(f"{name}={excerpt(value)} must be at most {most:g}.")


def check_seed(name: str, value: object) -> None:
    """Refuse a seed that the random number generators do not take: it must be 0 to 2^64 - 1.

    Raises:
        ConfigError: with the setting's name.
    """
    check_number(name, value, least=0, whole=True)
    if isinstance(value, int) and value > LARGEST_SEED:
        raise ConfigError(f"{name}={excerpt(value)} must be at most {LARGEST_SEED} (2^64 - 1).")
