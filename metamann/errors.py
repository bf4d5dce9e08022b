"""Errors that a user can cause: one readable message that names the fix, exit status 2, no traceback."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

LONGEST_MESSAGE = 300  # characters
LONGEST_EXCERPT = 60
MOST_EXCERPTS, LONGEST_EXCERPT_OF_MANY = 5, 40
LARGEST_SEED = 2**64 - 1  # torch takes no larger one
LARGEST_SIZE = 10**6  # of a setting that counts: far above usual values, and too small to exhaust the memory
LARGEST_NUMBER = 10**18  # fits an integer of 64 bits and a float of 32
# control characters, characters that change the writing direction, and unpaired surrogates
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class MetamannError(ValueError):
    """Base class of all errors that a user can cause; commands print it as one line `error: ...` with exit status 2.

    It is a `ValueError`, like other errors for a wrong argument in Python.

    Args:
        message: what is wrong and how to fix it; white space is folded, and its middle is omitted over 300 characters.

    Examples:
        >>> try:
        ...     check_choice("memory", "lstm", ("ntm", "dnc"))
        ... except MetamannError as error:
        ...     print(f"error: {error}")
        error: memory=lstm is unknown; choose ntm or dnc.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message, LONGEST_MESSAGE))


def shorten(text: object, most: int) -> str:
    """A text in one line of at most `most` characters; a longer one loses its middle."""
    line = printable(" ".join(str(text).split()))
    if len(line) <= most:
        return line
    end = (most - 5) // 2
    return f"{line[: most - 5 - end]} ... {line[len(line) - end :]}"


def printable(text: str) -> str:
    r"""A text that is safe to print: control characters and unpaired surrogates become escapes such as `\x1b`."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def excerpt(text: object) -> str:
    """A text from a user, shortened to be quoted in a message."""
    return shorten(text, LONGEST_EXCERPT)


def excerpts(names: Sequence[object]) -> str:
    """The first names of a list, shortened to be quoted in a message, and the number of the others."""
    more = f" and {len(names) - MOST_EXCERPTS:,} more" if len(names) > MOST_EXCERPTS else ""
    return ", ".join(shorten(name, LONGEST_EXCERPT_OF_MANY) for name in names[:MOST_EXCERPTS]) + more


class DataError(MetamannError):
    """Raised if data are missing, incomplete or unreadable."""


class EpisodeError(MetamannError):
    """Raised if a data set is too small for the episodes: more ways than classes, or more shots than items."""


class CheckpointError(MetamannError):
    """Raised if a checkpoint is missing, corrupt, of another format, or of another learner."""


class ConfigError(MetamannError):
    """Raised if a setting is unknown or out of range, or two settings contradict each other."""


class TrainingError(MetamannError):
    """Raised if training cannot continue: a loss is not finite, or a disk is full."""


def check_number(
    name: str,
    value: object,
    *,
    least: float = -LARGEST_NUMBER,
    most: float = LARGEST_NUMBER,
    whole: bool = False,
    above: bool = False,
) -> None:
    """Check that a setting is a number in a range.

    Args:
        name: of the setting.
        value: of the setting.
        least: smallest value.
        most: largest value.
        whole: only whole numbers are valid.
        above: `least` itself is not valid.

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
    """Check a setting that counts units, slots or items: it is a whole number of at most `LARGEST_SIZE`.

    Args:
        name: of the setting.
        value: of the setting.
        least: smallest value.
        optional: null is valid too.

    Raises:
        ConfigError: with the setting's name.
    """
    if value is not None or not optional:
        check_number(name, value, least=least, most=LARGEST_SIZE, whole=True)


def check_sizes(name: str, values: object, parts: Sequence[str], most: int = LARGEST_SIZE) -> None:
    """Check that a setting has one size for each of several parts.

    Args:
        name: of the setting.
        values: of the setting.
        parts: names of the parts.
        most: largest size.

    Raises:
        ConfigError: with the setting's name.
    """
    whole = isinstance(values, Sequence) and all(type(value) is int and 1 <= value <= most for value in values)
    if not whole or len(values) != len(parts):  # type: ignore[arg-type]  # it is a sequence
        raise ConfigError(
            f"{name}={setting(values)} must be {len(parts)} whole numbers from 1 to {most}: of {', '.join(parts)}."
        )


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Check that a setting is one of several values.

    Raises:
        ConfigError: with the setting's name and the choices.
    """
    if value not in choices:
        names = " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)
        raise ConfigError(f"{name}={setting(value)} is unknown; choose {names}.")


def check_seed(name: str, value: object) -> None:
    """Check that a seed is valid for the random number generators: a whole number from 0 to 2^64 - 1.

    Raises:
        ConfigError: with the setting's name.
    """
    check_number(name, value, least=0, most=math.inf, whole=True)
    if isinstance(value, int) and value > LARGEST_SEED:
        raise ConfigError(f"{name}={setting(value)} must be at most {LARGEST_SEED} (2^64 - 1).")


def setting(value: object) -> str:
    """The value of a setting as on a command line, shortened to be quoted in a message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    # Python does not convert integers of thousands of digits to decimal
    return excerpt(hex(value) if isinstance(value, int) and value.bit_length() > LONGEST_MESSAGE else value)


def _plain(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
