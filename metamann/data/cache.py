"""Folders of the data and of the cache, and tensors kept there."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor


def cache_folder() -> Path:
    """Where decoded and downloaded data are kept: `METAMANN_CACHE`, else `~/.cache/metamann`."""
    return Path(os.environ.get("METAMANN_CACHE", "~/.cache/metamann")).expanduser()


def data_folder() -> Path:
    """Where data sets are looked for: `METAMANN_DATA`, else the cache folder. It may be read-only."""
    return Path(os.environ["METAMANN_DATA"]).expanduser() if os.environ.get("METAMANN_DATA") else cache_folder()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Raises:
        OSError: if it cannot be written; the old file is then untouched and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    # mkstemp gives the file to its owner alone; others may read what the umask lets them
    umask = os.umask(0)
    os.umask(umask)
    try:
        Path(temporary).chmod(0o666 & ~umask)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_halves(folder: Path, names: str, age: float = 0.0) -> None:
    """Remove what writers that were killed have left of files in a folder.

    Args:
        folder: may be missing.
        names: regular expression of the names of the files, whole.
        age: seconds since the last change of what is removed; where others may be writing now, more than a write takes.
    """
    for path in folder.glob(".*"):
        if re.fullmatch(rf"\.({names})\.[a-z0-9_]{{4,}}", path.name):
            with contextlib.suppress(OSError):  # another has removed it, or it is not ours to remove
                if path.is_file() and time.time() - path.stat().st_mtime >= age:
                    path.unlink()


def cached_tensors(key: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors made once and kept in the cache folder under `key`.

    A cache that cannot be read is made anew; one that cannot be written costs time, not the run.
    """
    path = cache_folder() / f"{key}.pt"
    if path.is_file():
        try:
            loaded: dict[str, Tensor] = torch.load(path, weights_only=True)
            return loaded
        except Exception as error:  # whatever a damaged file raises: the content can be made again
            warnings.warn(f"cache file {path} cannot be read and is made anew ({error})", stacklevel=2)
    tensors = make()
    try:
        write_atomically(path, serialised(tensors))
    except OSError as error:
        warnings.warn(f"nothing is cached: {path} cannot be written ({error})", stacklevel=2)
    return tensors


def serialised(content: object) -> bytes:
    """What `torch.save` writes, as bytes, so that writing them can fail cleanly."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
