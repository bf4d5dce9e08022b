"""What a command hands in beside its settings; calls from Python need none of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple


class Caller(NamedTuple):
    """How a call came about.

    Attributes:
        line: of the command, to be written beside its numbers; None of a call from Python.
        files: kept in the run directory beside the settings, by name.
        should_stop: asked at every training step; true ends the run as a request to stop does.
        shield: gives a context in which a request to stop, `Interrupted`, is not raised by a signal.
    """

    line: str | None = None
    files: Mapping[str, str] = {}
    should_stop: Callable[[], bool] | None = None
    shield: Callable[[], AbstractContextManager[None]] = nullcontext


PYTHON = Caller()
