"""Where numbers come from: machine, version, commit, and the command where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import metamann
from metamann.hardware import describe_machine


def origin(command: str | None = None) -> dict[str, str]:
    """What stands beside every number that is written to a file.

    Args:
        command: the command line as it was typed, where a command runs.

    Returns:
        `machine`, `metamann`, which is the version, `commit`, and `command` if one is given.
    """
    where = {"machine": describe_machine(), "metamann": metamann.__version__, "commit": _commit()}
    return where if command is None else {**where, "command": command}


def _commit() -> str:
    """Commit of the source, when it is run from a checkout."""
    source = Path(metamann.__file__).parent.parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not run from a checkout"
