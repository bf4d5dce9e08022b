"""What a command passes besides its settings; calls from Python may leave it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple


class Caller(NamedTuple):
    """The caller of `metamann.train` and similar functions: a command, or a program that can stop it.

    Attributes:
        line: the command line, which is written into results; None for a call from Python.
        files: further files for the run directory, by name.
        should_stop: called at every training step; true stops the run, which can be resumed.
        shield: context manager in which signals do not raise `Interrupted`.

    Examples:
        >>> import time
        >>> end = time.monotonic() + 3600
        >>> one_hour = Caller(should_stop=lambda: time.monotonic() > end)  # for `metamann.train(..., caller=one_hour)`
        >>> one_hour.should_stop()
        False
    """

    line: str | None = None
    files: Mapping[str, str] = {}
    should_stop: Callable[[], bool] | None = None
    shield: Callable[[], AbstractContextManager[None]] = nullcontext


PYTHON = Caller()
