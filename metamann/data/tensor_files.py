"""Files of tensors from torch, read as data: no code in them is executed, and a flipped bit is detected."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class TensorFileError(Exception):
    """Raised for a file that is damaged, of another format, or holds more than data; the message is the reason."""


def read_tensors(path: Path) -> Any:
    """The content of a file from `torch.save`.

    Every checksum is compared, which torch itself does not do. What torch does not write is refused: entries that would
    unfold to more than the file holds.

    Raises:
        TensorFileError: if the file is not whole, or holds more than tensors and plain types.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if min((entry.header_offset for entry in archive.infolist()), default=1) != 0:
                raise TensorFileError("it is no archive from its start on")  # torch would read what stands before it
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise TensorFileError("its entries are packed, which torch does not do")
            damaged = archive.testzip()
        if damaged:
            raise TensorFileError(f"{damaged} has another checksum")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message tells how to run the code that such a file holds
        raise TensorFileError("it holds more than tensors and plain types") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise TensorFileError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    except TensorFileError:
        raise
    except Exception as error:  # a manipulated file can make torch raise anything; the cause is chained
        raise TensorFileError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def tensor_fault(value: object) -> str | None:
    """The reason why a value is not an ordinary tensor of finite numbers; None if it is one.

    A tensor that claims more elements than its storage holds, by a stride of 0 say, would take memory without bound.
    """
    if not isinstance(value, Tensor):
        return f"is no tensor, but of the kind {type(value).__name__}"
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        return f"is a tensor of an unusual kind ({value.layout}, {value.dtype}, {value.device})"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return "claims more numbers than it holds"
    if (value.is_floating_point() or value.is_complex()) and not bool(torch.isfinite(value).all()):
        return "holds numbers that are not finite"
    return None
