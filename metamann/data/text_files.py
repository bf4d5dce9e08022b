"""Text files of users: UTF-8, or UTF-16 and UTF-32 with a byte order mark. Errors name the line."""

from __future__ import annotations

import codecs
from pathlib import Path

from metamann.errors import DataError, MetamannError

# that of UTF-32 starts with that of UTF-16
MARKED = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_bytes(path: Path) -> bytes:
    """The content of a file; a text that starts with the byte order mark of UTF-16 or UTF-32 becomes UTF-8.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(
                f"{path} cannot be read (it is no file); name a file that is there."
            )  # a device may have no end
        content = path.read_bytes()
    except MetamannError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} cannot be read ({reason}); name a file that is there.") from error
    encoding = next((name for mark, name in MARKED.items() if content.startswith(mark)), None)
    if encoding is None:
        return content
    try:
        return content.decode(encoding).encode()
    except UnicodeError as error:
        raise DataError(f"{path} starts as {encoding.upper()}, but is none; save the file as UTF-8.") from error


def decode(path: Path, content: bytes) -> str:
    r"""The text of the content of a UTF-8 file without its byte order mark; `\r` alone ends a line if no `\n` does.

    Raises:
        DataError: if it is not UTF-8, or holds NUL characters, with the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line} is not UTF-8 ({error.reason}); save the file as UTF-8.") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line} has a NUL character, as no text file has; save the file as UTF-8.")
    return text if "\n" in text else text.replace("\r", "\n")


def read_text(path: Path) -> str:
    """The text of a file, see `decode`.

    Raises:
        DataError: if it cannot be read or is no text, with the line.
    """
    return decode(path, read_bytes(path))
