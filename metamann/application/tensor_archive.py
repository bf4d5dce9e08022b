"""Safetensors files of models and tasks: tensors by name, and a JSON document in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from metamann.data.cache import write_atomically
from metamann.data.tensor_files import tensor_fault
from metamann.errors import DataError, excerpt

VERSION = 1
HEADER_SIZE = 8  # bytes of the header length


def write_archive(path: Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write a file atomically.

    Args:
        path: path of the file.
        kind: `model` or `task`.
        tensors: tensors by name.
        about: plain data of the JSON document.

    Raises:
        DataError: if the file cannot be written, or the data are not plain.
    """
    # copies, because the format refuses tensors that share memory
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        text = json.dumps({"kind": kind, "version": VERSION, **about})
        write_atomically(path.expanduser(), save(plain, {"metamann": text}))
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{excerpt(path)} cannot be written ({excerpt(error)}); choose another path.") from error


def read_archive(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors, whose numbers are all finite, and the JSON document of a file.

    Raises:
        DataError: if the file cannot be read, is damaged, or has another kind.
    """
    try:
        content = path.expanduser().read_bytes()
        header = json.loads(content[HEADER_SIZE : HEADER_SIZE + int.from_bytes(content[:HEADER_SIZE], "little")])
        about = json.loads(header["__metadata__"]["metamann"])
        if not isinstance(about, dict) or about.get("kind") != kind or about.get("version") != VERSION:
            raise ValueError(f"it is no {kind} of version {VERSION}")
        tensors = load(content)
        for name, tensor in tensors.items():
            if (fault := tensor_fault(tensor)) is not None:
                raise ValueError(f"{name} {fault}")
    except OSError as error:
        raise DataError(f"{excerpt(path)} cannot be read ({error.strerror or error}); give a {kind} file.") from error
    except Exception as error:  # reading a damaged file may raise anything; the cause is chained
        raise DataError(f"{excerpt(path)} is no {kind} file, or damaged ({excerpt(error)}); save it again.") from error
    return tensors, about
