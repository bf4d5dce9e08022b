"""Folders of the data and of the cache, and cached tensors."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from metamann.data.tensor_files import TensorFileError, read_tensors, tensor_fault
from metamann.errors import excerpt

Result = TypeVar("Result")


def cache_folder() -> Path:
    """The folder of decoded and downloaded data: `METAMANN_CACHE`, else the system's folder for caches.

    That is `metamann` in `$XDG_CACHE_HOME`, else in `~/.cache`; on macOS in `~/Library/Caches`; on Windows in
    `%LOCALAPPDATA%`. An existing `~/.cache/metamann` takes precedence, so that nothing is downloaded again.
    """
    folder = os.environ.get("METAMANN_CACHE")
    if folder is not None:
        return Path(folder).expanduser()
    usual = Path("~/.cache/metamann").expanduser()
    if usual.is_dir():
        return usual
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser() / "metamann" / "Cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/metamann").expanduser()
    named = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return named / "metamann" if named.is_absolute() else usual  # the convention ignores relative paths


def data_folder() -> Path:
    """The folder of data sets: `METAMANN_DATA`, else the cache folder. It may be read-only."""
    return Path(os.environ["METAMANN_DATA"]).expanduser() if os.environ.get("METAMANN_DATA") else cache_folder()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: also after a crash it has the old content or the new, never a part of it.

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
    """Remove temporary files of writers that were killed from a folder.

    Args:
        folder: may be missing.
        names: regular expression of the whole names of the files that were written.
        age: least seconds since the last change; longer than a write takes, where other processes may be writing.
    """
    for path in folder.glob(".*"):
        if re.fullmatch(rf"\.({names})\.[a-z0-9_]{{4,}}", path.name):
            with contextlib.suppress(OSError):  # another has removed it, or it is not ours to remove
                if path.is_file() and time.time() - path.stat().st_mtime >= age:
                    path.unlink()


def cached(key: str, make: Callable[[], dict[str, Tensor]], use: Callable[[dict[str, Tensor]], Result]) -> Result:
    """The result of `use` for tensors that are made once and stored in the cache folder.

    A cache file that cannot be read, or has other content than expected, is made again; if it cannot be written, the
    run goes on without it. Every checksum is compared when a file is read, and nothing in it is executed.

    Args:
        key: name of the file, without its ending; letters, digits, dots and hyphens.
        make: makes the tensors.
        use: turns the tensors, made or read, into the result; it raises any exception if they are not as expected.

    Raises:
        ValueError: if the key is not a plain name.
    """
    if re.fullmatch(r"[\w.-]+", key) is None:
        raise ValueError(f"{key!r} is no name of a cache file")
    path = cache_folder() / f"{key}.pt"
    if path.is_file():
        try:
            content = read_tensors(path)
            if not isinstance(content, dict):
                raise TensorFileError("it holds no tensors by name")
            fault = next((f"{name} {fault}" for name, value in content.items() if (fault := tensor_fault(value))), None)
            if fault is not None:
                raise TensorFileError(fault)
            return use(content)
        except Exception as error:  # whatever a damaged or foreign file raises: the content can be made again
            warnings.warn(f"cache file {path} cannot be read and is made anew ({excerpt(error)})", stacklevel=2)
    tensors = make()
    try:
        write_atomically(path, serialised(tensors))
    except OSError as error:
        warnings.warn(f"nothing is cached: {path} cannot be written ({error})", stacklevel=2)
    return use(tensors)


def expect(tensor: Tensor, dtype: torch.dtype, *shape: int) -> Tensor:
    """The tensor, if it is of this kind and shape; -1 stands for any length.

    Raises:
        TensorFileError: if it is not.
    """
    same_shape = len(shape) == tensor.dim() and all(map(lambda want, have: want in (-1, have), shape, tensor.shape))
    if tensor.dtype != dtype or not same_shape:
        raise TensorFileError(f"a tensor is {tensor.dtype} of shape {tuple(tensor.shape)}")
    return tensor


def serialised(content: object) -> bytes:
    """The output of `torch.save` as bytes, so that a failed write leaves no partial file."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()
