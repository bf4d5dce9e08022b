"""`metamann-audit`: check the contracts of data, sampler and learner on real episodes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metamann.application.audit import audit_code, audit_run
from metamann.application.caller import Caller
from metamann.application.command_settings import AuditCommand
from metamann.application.run import Run
from metamann.commands.shell import print_run_directory, run_command
from metamann.errors import ConfigError, MetamannError


def command(settings: AuditCommand, directory: Path, caller: Caller) -> float:
    """Audit a run, or a user's own sampler and learner.

    Returns:
        The number of failed checks. If there is one, the command ends with exit status 1.
    """
    if (settings.checkpoint is None) == (settings.make_sampler is None):
        raise ConfigError("give either checkpoint=RUN, or make_sampler=package.module.function of your own.")
    if settings.checkpoint is not None:
        findings = audit_run(Run(settings.checkpoint, trust=settings.trust), settings, directory, caller=caller)
    else:
        test_sampler, learner = settings.make_test_sampler, settings.make_learner
        findings = audit_code(
            _imported(str(settings.make_sampler)),
            settings,
            directory,
            make_test_sampler=None if test_sampler is None else _imported(test_sampler),
            make_learner=None if learner is None else _imported(learner),
            caller=caller,
        )
    failed = sum(finding.outcome == "fail" for finding in findings)
    if failed:
        print_run_directory(directory)
        sys.exit(1)
    return failed


def _imported(path: str) -> Callable[[], Any]:
    """The function of a dotted path.

    Raises:
        ConfigError: if it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    sys.path.insert(0, "")  # modules of the user in the current directory
    try:
        function: Callable[[], Any] = getattr(importlib.import_module(module), name)
    except MetamannError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be imported ({error}); give package.module.function.") from error
    finally:
        sys.path.pop(0)
    return function


def main() -> None:
    """Entry point of `metamann-audit`."""
    run_command("audit", command, open_groups=("data", "protocol", "learner", "adapter"))


if __name__ == "__main__":
    main()
