"""Settings of the commands: those of what they run, and what only a command line has."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from metamann.application.settings import (
    MISSING,
    AuditSettings,
    ComparisonSettings,
    ContinualSettings,
    EvaluationSettings,
    LoggerSettings,
    TrainSettings,
)


@dataclass
class TrainCommand(TrainSettings):
    """Of `metamann-train`.

    Attributes:
        resume: run directory to go on in; with hydra.run.dir=, a copy of it goes on there.
        overwrite: replace the run that hydra.run.dir= holds.

    Examples:
        >>> command = TrainCommand(seed=3, overwrite=True)
        >>> command.run().seed
        3
    """

    resume: str | None = None
    overwrite: bool = False

    def run(self) -> TrainSettings:
        """The settings of the run itself."""
        return TrainSettings(**{each.name: getattr(self, each.name) for each in dataclasses.fields(TrainSettings)})


@dataclass
class EvaluateCommand(EvaluationSettings):
    """Of `metamann-evaluate`.

    Attributes:
        checkpoint: run directory (its best.pt), or a .pt file.
        logger: dashboards.

    Examples:
        >>> EvaluateCommand(checkpoint="runs/mine", episodes=200).split
        'test'
    """

    checkpoint: str = MISSING
    logger: LoggerSettings = field(default_factory=LoggerSettings)


@dataclass
class CompareCommand(ComparisonSettings):
    """Of `metamann-compare`.

    Attributes:
        runs: two or more of RUN, RUN:adapter and directories of sweeps.

    Examples:
        >>> CompareCommand(runs=["runs/one", "runs/two"]).episodes
        1000
    """

    runs: list[str] = MISSING  # type: ignore[assignment]  # as Hydra spells what has to be given


@dataclass
class ContinualCommand(ContinualSettings):
    """Of `metamann-continual`.

    Attributes:
        runs: one or more of RUN, RUN:adapter and directories of sweeps.

    Examples:
        >>> ContinualCommand(runs=["runs/one", "runs/one:linear_head"]).tasks
        20
    """

    runs: list[str] = MISSING  # type: ignore[assignment]


@dataclass
class AuditCommand(AuditSettings):
    """Of `metamann-audit`.

    Attributes:
        checkpoint: run directory (its best.pt), or a .pt file; or
        make_sampler: dotted path of your own function that gives a sampler,
        make_test_sampler: of the one that it must not meet,
        make_learner: and of the one that gives a learner.

    Examples:
        >>> AuditCommand(checkpoint="runs/mine").episodes
        400
    """

    checkpoint: str | None = None
    make_sampler: str | None = None
    make_test_sampler: str | None = None
    make_learner: str | None = None


COMMANDS = {
    "train": TrainCommand,
    "evaluate": EvaluateCommand,
    "compare": CompareCommand,
    "continual": ContinualCommand,
    "audit": AuditCommand,
}
