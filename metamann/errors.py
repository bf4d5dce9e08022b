"""The errors a user can cause: one readable message that names the fix, exit status 2, no traceback."""

from __future__ import annotations

import math


class MetamannError(Exception):
    """Base of every error that the commands print as one line `error: ...` and turn into exit status 2."""


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


def check_number(name: str, value: object, *, least: float, whole: bool = False) -> None:
    """Refuse a setting that is no number, or too small a one.

    Raises:
        ConfigError: with the setting's name.
    """
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        raise ConfigError(f"{name}={value} must be {kind}, at least {least:g}.")
    if value < least:
        raise ConfigError(f"{name}={value} must be at least {least:g}.")
