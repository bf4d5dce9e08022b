"""Files of task lists: a header and arrays of numbers, nothing that could be executed."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metamann.data.cache import write_atomically
from metamann.errors import LARGEST_SEED, EpisodeError, excerpt

NO_LIST = "no task list of such episodes ({}); give a tasks.npz that an evaluation of them wrote."
LARGEST = 2**31  # bytes of all arrays; a list of 100,000 episodes of 100 classes is a tenth of it
# what numpy raises for files that are truncated, damaged, of another kind, or have absurd sizes in their headers
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


def read_tasks(path: Path, kinds: Mapping[str, type]) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Header and arrays of a file that `write_tasks` wrote.

    Args:
        path: of the file.
        kinds: type of the numbers of each array, by its name.

    Returns:
        The header, which has a seed, and the arrays.

    Raises:
        EpisodeError: if the file is missing, damaged, or not such a list.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise ValueError("it unfolds to too much")
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            arrays = {name: file[name] for name in kinds}
        if not isinstance(header, dict) or "seed" not in header:
            raise ValueError("its header lacks the seed")
        seed = header["seed"]
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"its seed is {excerpt(seed)}")
        if any(arrays[name].dtype != kind for name, kind in kinds.items()):
            raise ValueError("its arrays are of other numbers")
    except UNREADABLE as error:
        raise EpisodeError(f"{path} is {NO_LIST.format(excerpt(error))}") from error
    return header, arrays
