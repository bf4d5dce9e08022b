"""`metamann-continual`: classes arrive task by task, and earlier classes are tested again."""

from __future__ import annotations

from pathlib import Path

from metamann.application.caller import Caller
from metamann.application.command_settings import ContinualCommand
from metamann.application.continual import teach_tasks
from metamann.commands.shell import run_command


def command(settings: ContinualCommand, directory: Path, caller: Caller) -> float:
    """Evaluate runs on the same sequences of tasks.

    Returns:
        Average accuracy of the first run.
    """
    scores = teach_tasks(settings.runs, settings, directory, caller=caller)
    return float(next(iter(scores.values()))["average_accuracy"].mean())


def main() -> None:
    """Entry point of `metamann-continual`."""
    run_command("continual", command, open_groups=("data", "protocol", "learner", "adapter"))


if __name__ == "__main__":
    main()
