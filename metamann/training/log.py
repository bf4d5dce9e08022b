"""What is said while something runs: records of Python's `logging`, under the name `metamann`.

Progress is of the level INFO, and a note of what a user may not expect is a WARNING. A program that uses metamann as a
library sees them as it sees all other records; `console` shows them as the commands do, `run_log` keeps those of a run.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from tqdm import tqdm

from metamann.errors import TrainingError, printable

LOG = logging.getLogger("metamann")
FILE = "train.log"


def note(text: str) -> None:
    """Say what a user may not expect: what was left out, replaced or decided."""
    notes = _noted.get()
    if notes is None or text not in notes:
        LOG.warning("%s", printable(text))
    if notes is not None:
        notes.add(text)


@contextmanager
def notes_once() -> Iterator[None]:
    """Say each note in here once, however often it comes: of several runs on the same data, for one."""
    entered = _noted.set(set())
    try:
        yield
    finally:
        _noted.reset(entered)


def progress(text: str, *, on_bar: bool = False) -> None:
    """Say how far something is.

    Args:
        text: one line.
        on_bar: a progress bar of the terminal says it already.
    """
    LOG.info("%s", printable(text), extra={"on_bar": on_bar})


@contextmanager
def console() -> Iterator[None]:
    """Show what is said in here on standard error: plain lines, notes with `note: ` before them.

    Inside another one it adds nothing. Handlers of the root logger, which would show the same again, are left out.
    """
    with _attaching:
        has_console = any(isinstance(handler, _Console) for handler in LOG.handlers)
        handler, propagates = _Console(), LOG.propagate
        if not has_console:
            _attach(handler)
            LOG.propagate = False
    try:
        yield
    finally:
        if not has_console:
            with _attaching:
                _detach(handler)
                LOG.propagate = propagates


@contextmanager
def run_log(directory: Path) -> Iterator[None]:
    """Write what this thread says in here into `train.log` of a run directory, after what the file holds already.

    Raises:
        TrainingError: if the file cannot be written, or is none.
    """
    path = directory / FILE
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise TrainingError(f"{path} is no file that a run wrote; remove it, or choose another run directory.")
    try:
        handler = _RunFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({error.strerror}); make room, or choose another run directory."
        ) from error
    with _attaching:
        _attach(handler)
    entered = _entered.set((*_entered.get(), handler))
    try:
        yield
    finally:
        _entered.reset(entered)
        with _attaching:
            _detach(handler)
        with suppress(OSError):
            handler.close()


_entered: ContextVar[tuple[logging.Handler, ...]] = ContextVar("entered", default=())  # by the thread that speaks
_noted: ContextVar[set[str] | None] = ContextVar("noted", default=None)
_attaching = threading.RLock()
_levels: list[int] = []  # of the logger, as each handler found it


def _attach(handler: logging.Handler) -> None:
    _levels.append(LOG.level)
    if LOG.getEffectiveLevel() > logging.INFO:
        LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)


def _detach(handler: logging.Handler) -> None:
    LOG.removeHandler(handler)
    first = _levels[0]
    _levels.pop()
    if not _levels:
        LOG.setLevel(first)


def _line(record: logging.LogRecord) -> str:
    return f"note: {record.getMessage()}" if record.levelno >= logging.WARNING else record.getMessage()


class _Console(logging.Handler):
    """Lines on standard error; a progress bar stays below them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line that no progress bar shows."""
        # results are for standard output
        if not getattr(record, "on_bar", False) and record.name != "metamann.results":
            with suppress(OSError, ValueError):  # nobody reads any more
                tqdm.write(_line(record), file=sys.stderr)
                sys.stderr.flush()


class _RunFile(logging.FileHandler):
    """Lines with their time, of those alone that entered `run_log`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the thread that speaks is in this run."""
        return self in _entered.get() and bool(super().filter(record))

    def format(self, record: logging.LogRecord) -> str:
        """A line of the file."""
        return f"{logging.Formatter().formatTime(record)[:19]}  {_line(record)}"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # its name in logging
        """Stop writing where the disk is full: the run is worth more than its log."""
        LOG.removeHandler(self)
        note(f"{self.baseFilename} cannot be written any more: {sys.exc_info()[1]}")
