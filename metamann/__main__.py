"""`metamann`, the same as `python -m metamann`: the commands with a line each, and the version."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

COMMANDS = {
    "metamann-train": "meta-train a learner on episodes of a data set, or go on with a run",
    "metamann-evaluate": "evaluate a trained learner on classes it has never seen, or let it label your own data",
    "metamann-compare": "compare learners on the same episodes, with paired differences",
    "metamann-continual": "teach classes task after task and measure what is forgotten",
    "metamann-audit": "check data, samplers and learners for leaks",
}
USAGE = "usage: metamann [--version]"
PARTS = ("torch", "numpy", "hydra-core")  # what an error most often depends on


def main() -> None:
    """Entry point of `metamann`."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        _print(versions())
    elif arguments in ([], ["--help"], ["-h"]):
        _print(listing())
    else:
        names = ", ".join(COMMANDS)
        print(f"error: metamann takes no {arguments[0]}. {USAGE}; the commands are {names}.", file=sys.stderr)
        sys.exit(2)


def _print(lines: str) -> None:
    """Print; a reader who has gone, such as `| head -1`, has read enough."""
    try:
        print(lines, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def listing() -> str:
    """The commands with a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {line}" for name, line in COMMANDS.items()]
    return "\n".join(
        [f"metamann {version('metamann')}: few-shot learning with external memories", "", "Commands:", *lines, "",
         "Each command describes its settings with --help. metamann --version says what an issue report needs."]
    )  # fmt: skip


def versions() -> str:
    """metamann, Python, torch and the system, a line each."""
    system = f"system {platform.system()} {platform.release()}, {platform.machine()}"
    parts = [f"{name} {_version(name)}" for name in PARTS]
    return "\n".join([f"metamann {version('metamann')}", f"Python {platform.python_version()}", *parts, system])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
