"""The origin of results: machine, version, commit and command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import metamann
from metamann.hardware import describe_machine


def origin(command: str | None = None) -> dict[str, str]:
    """The origin that every results file records.

    Args:
        command: the command line; None for a call from Python.

    Returns:
        `machine`, `metamann`, which is the version, `commit`, and `command` if there is one.
    """
    record = {"machine": describe_machine(), "metamann": metamann.__version__, "commit": _commit()}
    return record if command is None else {**record, "command": command}


def _commit() -> str:
    """The commit of the source, if it is run from a checkout."""
    source = Path(metamann.__file__).parent.parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not run from a checkout"
