"""`metamann-compare`: compare trained learners on one task list, with paired differences."""

from __future__ import annotations

from pathlib import Path

from metamann.application.caller import Caller
from metamann.application.command_settings import CompareCommand
from metamann.application.comparison import compare_runs
from metamann.commands.shell import run_command


def command(settings: CompareCommand, directory: Path, caller: Caller) -> float:
    """Compare runs.

    Returns:
        Score of the first learner.
    """
    return compare_runs(settings.runs, settings, directory, caller=caller)[0].score.mean


def main() -> None:
    """Entry point of `metamann-compare`."""
    run_command("compare", command, open_groups=("data", "protocol", "learner", "adapter"))


if __name__ == "__main__":
    main()
