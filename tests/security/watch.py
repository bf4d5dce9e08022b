"""Watches what a command does: processes, connections, foreign imports, unpickling, writes outside of its places."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

FORBIDDEN = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile", "pty.spawn",
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg",
    "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect", "webbrowser.open",
    "pickle.find_class",
)  # fmt: skip
PATHS = (
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.setxattr", "shutil.copyfile", "shutil.move", "shutil.rmtree", "shutil.unpack_archive",
)  # fmt: skip
# of metamann itself, beside every result: the commit, and the name of the processor
OUR_PROCESSES = (("git", "-C"), ("uname", "-p"))
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch(NamedTuple):
    """Put in place before a command starts; what it must not do goes into a file, a line each.

    Attributes:
        seen: file of what was seen.
        places: folders in which the command may write.
        closure: names of the packages that the command may import; all that it imports are written down if None.
    """

    seen: str
    places: tuple[str, ...]
    closure: frozenset[str] | None

    def __call__(self) -> None:
        """Watch from now on; a hook cannot be taken out again."""
        sys.dont_write_bytecode = True  # a module that is imported for the first time is compiled, and kept
        descriptor = os.open(self.seen, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        sys.addaudithook(lambda event, arguments: self._look(descriptor, event, arguments))

    def _look(self, descriptor: int, event: str, arguments: tuple[Any, ...]) -> None:
        found: object = None
        if event == "socket.bind" and arguments[1] == ("::1", 0):
            return  # urllib3 looks whether there is an IPv6 when it is imported
        if event in FORBIDDEN:
            found = repr(arguments)[:200]
        elif event == "subprocess.Popen":
            argv = tuple(map(str, arguments[1]))
            found = None if argv[:2] in OUR_PROCESSES else repr(argv)[:200]
        elif event == "import":
            package = str(arguments[0]).partition(".")[0]
            found = package if self.closure is None or package not in self.closure else None
        elif event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING and not isinstance(path, int) and not self._allowed(path):
                found = os.fsdecode(path)
        elif event in PATHS and not all(self._allowed(path) for path in arguments if isinstance(path, str | bytes)):
            found = repr(arguments)[:200]
        if found is not None:
            os.write(descriptor, (json.dumps([event, found]) + "\n").encode())

    def _allowed(self, path: str | bytes) -> bool:
        where = os.path.realpath(os.fsdecode(path))
        return where == os.devnull or any(where == place or where.startswith(f"{place}/") for place in self.places)


def findings(seen: Path) -> list[tuple[str, str]]:
    """What a watch wrote down."""
    return [tuple(json.loads(line)) for line in seen.read_text().splitlines()]
