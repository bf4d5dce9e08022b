"""Run commands one after another, as users do, in one process that forks: imports take most of the time.

Called with a JSON list: each entry is a command with its arguments, run in a process of its own; or Python code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def main(entries: list[list[str] | str]) -> None:
    """Stop at the first that fails."""
    for name in ("train", "evaluate", "compare", "continual", "audit"):
        importlib.import_module(f"metamann.commands.{name}")
    for entry in entries:
        child = os.fork()
        if child == 0:
            if isinstance(entry, str):
                exec(entry, {})
            else:
                sys.argv = [f"metamann-{entry[0]}", *entry[1:]]
                importlib.import_module(f"metamann.commands.{entry[0]}").main()
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"{entry} ended with status {status}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
