"""The output directory of a call: created, locked, and with its log attached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from metamann.application.directory import locked
from metamann.data.cache import cache_folder, remove_halves
from metamann.training.log import run_log

CACHE_FILES = r"[\w.-]+\.pt"
HALVES_SECONDS = 600.0  # the cache is shared: another command may be writing a file younger than this


@contextmanager
def open_directory(directory: str | Path) -> Iterator[Path]:
    """Create and lock a directory; log messages of the context are appended to its `train.log`.

    Raises:
        ConfigError: if another process or thread writes into the directory, or it cannot be written.
    """
    path = Path(directory).expanduser().resolve()
    with locked(path):
        remove_halves(cache_folder(), CACHE_FILES, age=HALVES_SECONDS)
        with run_log(path):
            yield path


def new_directory(what: str) -> Path:
    """The default directory for results: `outputs/WHAT/` and the time."""
    return Path("outputs") / what / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
