"""The errors a user can cause: one readable message that names the fix, exit status 2, no traceback."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

LONGEST_MESSAGE = 300  # characters
LONGEST_EXCERPT = 60
MOST_EXCERPTS, LONGEST_EXCERPT_OF_MANY = 5, 40
LARGEST_SEED = 2**64 - 1  # torch takes no larger one
LARGEST_SIZE = 10**6  # of what is counted: far above what anyone has used, and below what fills a machine
LARGEST_NUMBER = 10**18  # 64 bits hold it as a whole number, and 32 as a fraction
# control characters, those that turn the direction of writing, and half surrogate pairs
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class MetamannError(ValueError):
    """Base of every error that a user can cause; commands print it as one line `error: ...` with exit status 2.

    It is a `ValueError`, as a caller from Python expects of a wrong argument.

    Args:
        message: what is wrong and what to do; white space is folded, and beyond 300 characters its middle is left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message, LONGEST_MESSAGE))


def shorten(text: object, most: int) -> str:
    """A text in one line of at most `most` characters: the start says what is wrong, the end what to do."""
    line = printable(" ".join(str(text).split()))
    if len(line) <= most:
        return line
    end = (most - 5) // 2
    return f"{line[: most - 5 - end]} ... {line[len(line) - end :]}"


def printable(text: str) -> str:
    r"""A text that a terminal shows as it is: signs that would steer it, and half surrogate pairs, become `\x1b`."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


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


def check_number(
    name: str,
    value: object,
    *,
    least: float = -LARGEST_NUMBER,
    most: float = LARGEST_NUMBER,
    whole: bool = False,
    above: bool = False,
) -> None:
    """Refuse a setting that is no number, too small or too large a one.

    Args:
        name: of the setting.
        value: what it is set to.
        least: smallest value.
        most: largest value.
        whole: fractions are refused.
        above: `least` itself is too small.

    Raises:
        ConfigError: with the setting's name.
    """
    bound = f"{'above' if above else 'at least'} {_plain(least)}"
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    # a whole number may be too large for a float
    if not number or (isinstance(value, float) and not math.isfinite(value)):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name}={setting(value)} must be {kind}{f', {bound}' if least > -LARGEST_NUMBER else ''}.")
    assert isinstance(value, int | float)
    if value < least or (above and value == least):
        raise ConfigError(f"{name}={setting(value)} must be {bound}.")
    if value > most:
        raise ConfigError(f"{name}={setting(value)} must be at most {_plain(most)}.")


def check_size(name: str, value: object, *, least: int = 1, optional: bool = False) -> None:
    """Refuse a setting that counts units, slots or items: it is a whole number, and none that no machine has room for.

    Args:
        name: of the setting.
        value: what it is set to.
        least: smallest value.
        optional: null is a value too.

    Raises:
        ConfigError: with the setting's name.
    """
    if value is not None or not optional:
        check_number(name, value, least=least, most=LARGEST_SIZE, whole=True)


def check_sizes(name: str, values: object, parts: Sequence[str], most: int = LARGEST_SIZE) -> None:
    """Refuse a setting that is not one size for each of these parts.

    Args:
        name: of the setting.
        values: what it is set to.
        parts: what the sizes are of.
        most: largest size.

    Raises:
        ConfigError: with the setting's name.
    """
    whole = isinstance(values, Sequence) and all(type(value) is int and 1 <= value <= most for value in values)
    if not whole or len(values) != len(parts):  # type: ignore[arg-type]  # it is a sequence
        raise ConfigError(
            f"{name}={setting(values)} must be {len(parts)} whole numbers from 1 to {most}: of {', '.join(parts)}."
        )


def check_choice(name: str, value: object, known: Sequence[str]) -> None:
    """Refuse a setting that is none of the known values.

    Raises:
        ConfigError: with the setting's name, and what may be chosen.
    """
    if value not in known:
        choices = " or ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)
        raise ConfigError(f"{name}={setting(value)} is unknown; choose {choices}.")


def check_seed(name: str, value: object) -> None:
    """Refuse a seed that the random number generators do not take: it must be 0 to 2^64 - 1.

    Raises:
        ConfigError: with the setting's name.
    """
    check_number(name, value, least=0, most=math.inf, whole=True)
    if isinstance(value, int) and value > LARGEST_SEED:
        raise ConfigError(f"{name}={setting(value)} must be at most {LARGEST_SEED} (2^64 - 1).")


def setting(value: object) -> str:
    """The value of a setting as it is written on a command line, short enough to be quoted inside a message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    # Python refuses to write thousands of digits, in tens
    return excerpt(hex(value) if isinstance(value, int) and value.bit_length() > LONGEST_MESSAGE else value)


def _plain(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
