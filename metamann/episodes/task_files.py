"""Files of task lists: a header and whole numbers, nothing that could be run."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metamann.data.cache import write_atomically
from metamann.errors import LARGEST_SEED, EpisodeError, excerpt

HEADER = ("data", "fingerprint", "protocol", "seed")
LARGEST = 2**31  # bytes of all arrays; a list of 100,000 episodes of 100 classes is a tenth of it
# what numpy raises for files that are truncated, damaged, of another kind, or claim to be endless
UNREADABLE = (
    OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, IndexError, OverflowError, MemoryError,
    RecursionError, SyntaxError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def write_tasks(path: Path, header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a header and arrays as one `.npz` file."""
    buffer = io.BytesIO()
    content: dict[str, Any] = {"header": json.dumps(header), **arrays}
    np.savez_compressed(buffer, **content)
    write_atomically(path, buffer.getvalue())


def read_tasks(path: Path, names: Sequence[str], kind: str) -> tuple[dict[str, object], list[np.ndarray]]:
    """Header and arrays of a file that `write_tasks` wrote.

    Args:
        path: of the file.
        names: of the arrays.
        kind: what the file should be, for the error.

    Returns:
        The header, and the arrays in the order of their names, int64.

    Raises:
        EpisodeError: if the file is missing, damaged, or no such list.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise ValueError("it unfolds to too much")
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            arrays = [file[name] for name in names]
        if not isinstance(header, dict) or not set(HEADER) <= set(header):
            raise ValueError("its header lacks data, protocol or seed")
        seed = header["seed"]
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"its seed is {excerpt(seed)}")
        if any(array.dtype != np.int64 for array in arrays):
            raise ValueError("its arrays are no whole numbers")
    except UNREADABLE as error:
        raise EpisodeError(
            f"{path} is no {kind} ({excerpt(error)}); give a tasks.npz that an evaluation wrote."
        ) from error
    return header, arrays
