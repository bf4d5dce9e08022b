"""A directory while it is written into: kept from others, its log attached, what it was begun with written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from metamann.application.directory import locked
from metamann.data.cache import cache_folder, remove_halves
from metamann.training.log import run_log

CACHE_FILES = r"[\w.-]+\.pt"
HALVES_SECONDS = 600.0  # the cache is shared: what was changed in this time may be of a command that is writing it


@contextmanager
def opened(directory: str | Path) -> Iterator[Path]:
    """The directory, made and locked; what is logged in here is appended to its `train.log`.

    Raises:
        ConfigError: if another process or thread writes into it, or it cannot be written.
    """
    path = Path(directory).expanduser().resolve()
    with locked(path):
        remove_halves(cache_folder(), CACHE_FILES, age=HALVES_SECONDS)
        with run_log(path):
            yield path


def new_directory(what: str) -> Path:
    """Where results go that nobody has chosen a place for: `outputs/WHAT/` and the time."""
    return Path("outputs") / what / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
