"""What stands beside every number: machine, version, commit and command."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import metamann
from metamann.hardware import describe_machine


def origin() -> dict[str, Any]:
    """Where the numbers of this process come from."""
    name = Path(sys.argv[0]).stem
    command = name if name.startswith("metamann-") else f"metamann-{name}"
    return {
        "machine": describe_machine(),
        "metamann": metamann.__version__,
        "commit": _commit(),
        "command": shlex.join([command, *sys.argv[1:]]),
    }


def _commit() -> str:
    """Commit of the source, when it is run from a checkout."""
    source = Path(metamann.__file__).parent.parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not run from a checkout"
