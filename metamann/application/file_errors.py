"""Messages for errors of the operating system: the file, the failed operation and the fix."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

from metamann.errors import excerpt, shorten

LONGEST_PATH = 150  # characters of a message
LONGEST_NAME = 255  # bytes that file systems allow
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAKERS = ("mkdir", "makedirs", "mkdtemp")
WRITERS = ("write_text", "write_bytes", "write_atomically", "_save_config", "save")
READERS = ("read_text", "read_bytes", "iterdir", "scandir", "rglob", "glob", "stat", "is_file", "is_dir", "exists")


def file_error(error: OSError, directory: str | None = None) -> str:
    """The message for an error of a file with its fix, in one line.

    Args:
        error: error of the operating system.
        directory: output directory, for an error without a file name.
    """
    name = error.filename2 or error.filename
    if name is None or isinstance(name, int):
        where = "a file" if directory is None else f"a file of {directory}"
        path = None
    else:
        path = Path(os.fsdecode(name))
        where = shorten(path, LONGEST_PATH)
    reason = error.strerror or excerpt(error)
    if error.errno in NO_ROOM:
        return f"{where} cannot be written ({reason}); make room, or choose another place."
    if error.errno == errno.ENAMETOOLONG and path is not None:
        longest = max(len(os.fsencode(part)) for part in path.parts)
        limit = f"a name of {longest} bytes, and at most {LONGEST_NAME} go" if longest > LONGEST_NAME else "as a whole"
        return f"{where} is too long ({limit}); shorten it."
    if error.errno == errno.ELOOP:
        return f"{where} leads round in a circle of links; mend the link, or give another path."
    if error.errno == errno.EISDIR:
        return f"{where} is a folder where a file is wanted; give another path."
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and path is not None:
        file = next((part for part in (path, *path.parents) if os.path.lexists(part) and not part.is_dir()), None)
        if file is not None:
            place = "it" if file == path else f"{excerpt(file.name)} on the way to it"
            return f"{where} cannot be {_attempt(error, path)}: {place} is a file; give another path."
    return f"{where} cannot be {_attempt(error, path)} ({reason}); give another path, or mend this one."


def _attempt(error: OSError, path: Path | None) -> str:
    """The failed operation on a file: read, written or made."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for verb, functions in (("made", MAKERS), ("written", WRITERS), ("read", READERS)):
            if frame.name in functions:
                return verb
    if error.errno == errno.EROFS or path is None:
        return "written"
    if path.exists():
        return "written" if _may(path, os.R_OK) else "read"
    return "made" if path.parent.is_dir() and not _may(path.parent, os.W_OK) else "read"


def _may(path: Path, right: int) -> bool:
    return os.access(path, right, effective_ids=os.access in os.supports_effective_ids)
