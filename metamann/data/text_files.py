"""Text files of users: UTF-8, with the line named where they are not."""

from __future__ import annotations

from pathlib import Path

from metamann.errors import DataError


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} cannot be read ({reason}); set data.path to a file.") from error


def decode(path: Path, content: bytes) -> str:
    """The text of the content of a UTF-8 file without its byte order mark.

    Raises:
        DataError: if it is not UTF-8, with the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line} is not UTF-8 ({error.reason}); save the file as UTF-8.") from error


def read_text(path: Path) -> str:
    """The text of a UTF-8 file without its byte order mark.

    Raises:
        DataError: if it cannot be read or is not UTF-8, with the line.
    """
    return decode(path, read_bytes(path))
