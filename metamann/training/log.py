"""Log messages: records of Python's `logging`, of the logger `metamann`.

Progress has the level INFO, and notes on what a user may not expect have the level WARNING. A program that uses
metamann as a library handles them like all other log records. `console` shows them as the commands do, and `run_log`
writes those of a run to a file.
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
    """Log what a user may not expect, such as data that are left out or a setting that is replaced."""
    notes = _notes.get()
    if notes is None or text not in notes:
        LOG.warning("%s", printable(text))
    if notes is not None:
        notes.add(text)


@contextmanager
def notes_once() -> Iterator[None]:
    """Log equal notes once within this context, for instance those of several runs on the same data."""
    token = _notes.set(set())
    try:
        yield
    finally:
        _notes.reset(token)


def progress(text: str, *, on_bar: bool = False) -> None:
    """Log progress.

    Args:
        text: one line.
        on_bar: a progress bar in the terminal shows it already.
    """
    LOG.info("%s", printable(text), extra={"on_bar": on_bar})


@contextmanager
def console() -> Iterator[None]:
    """Show log messages on standard error within this context: plain lines, notes with the prefix `note: `.

    Nested contexts show each message once. The handlers of the root logger, which would repeat it, get no messages.
    """
    with _handlers_lock:
        has_console = any(isinstance(handler, _Console) for handler in LOG.handlers)
        handler, propagates = _Console(), LOG.propagate
        if not has_console:
            _attach(handler)
            LOG.propagate = False
    try:
        yield
    finally:
        if not has_console:
            with _handlers_lock:
                _detach(handler)
                LOG.propagate = propagates


@contextmanager
def run_log(directory: Path) -> Iterator[None]:
    """Append the log messages of this thread within this context to `train.log` of a run directory.

    Raises:
        TrainingError: if the file cannot be written, or is not a regular file.
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
    with _handlers_lock:
        _attach(handler)
    token = _run_files.set((*_run_files.get(), handler))
    try:
        yield
    finally:
        _run_files.reset(token)
        with _handlers_lock:
            _detach(handler)
        with suppress(OSError):
            handler.close()


_run_files: ContextVar[tuple[logging.Handler, ...]] = ContextVar("run_files", default=())  # of the current thread
_notes: ContextVar[set[str] | None] = ContextVar("notes", default=None)  # those already logged; None logs all
_handlers_lock = threading.RLock()
_levels: list[int] = []  # of the logger, before each handler was attached


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
    """Shows lines on standard error, above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line, unless a progress bar shows it."""
        # results are printed on standard output
        if not getattr(record, "on_bar", False) and record.name != "metamann.results":
            with suppress(OSError, ValueError):  # standard error is closed
                tqdm.write(_line(record), file=sys.stderr)
                sys.stderr.flush()


class _RunFile(logging.FileHandler):
    """Writes lines with their time, those of threads within its `run_log` alone."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the current thread is within this `run_log`."""
        return self in _run_files.get() and bool(super().filter(record))

    def format(self, record: logging.LogRecord) -> str:
        """A line of the file."""
        return f"{logging.Formatter().formatTime(record)[:19]}  {_line(record)}"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # overrides logging.Handler.handleError
        """Stop writing the file if it fails, for instance on a full disk; the run continues."""
        LOG.removeHandler(self)
        note(f"{self.baseFilename} cannot be written any more: {sys.exc_info()[1]}")
