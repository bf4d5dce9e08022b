"""`metamann-evaluate`: evaluate a trained learner on new classes."""

from __future__ import annotations

from pathlib import Path

from metamann.application.caller import Caller
from metamann.application.command_settings import EvaluateCommand
from metamann.application.run import Run
from metamann.commands.shell import run_command


def command(settings: EvaluateCommand, directory: Path, caller: Caller) -> float:
    """Evaluate a checkpoint on a fixed list of episodes; the run's own protocol and data unless overridden.

    Returns:
        The main score, for sweepers; NaN if the query has no labels.
    """
    run = Run(settings.checkpoint, trust=settings.trust)
    return run.evaluate(settings, directory, logger=settings.logger, caller=caller).score


def main() -> None:
    """Entry point of `metamann-evaluate`."""
    # the keys of the run's data, protocol and learner are known only after its checkpoint is read
    run_command("evaluate", command, open_groups=("data", "protocol", "learner", "adapter"))


if __name__ == "__main__":
    main()
