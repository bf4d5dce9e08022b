"""Settings of the commands: those of the Python functions, and those that only a command line has."""

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
    """Settings of `metamann-train`.

    Attributes:
        resume: run directory to resume; with hydra.run.dir=, a copy is resumed there.
        overwrite: replace the run in hydra.run.dir=.

    Examples:
        >>> command = TrainCommand(seed=3, overwrite=True)
        >>> command.run().seed
        3
    """

    resume: str | None = None
    overwrite: bool = False

    def run(self) -> TrainSettings:
        """The settings of the run itself."""
        return TrainSettings(
            **{option.name: getattr(self, option.name) for option in dataclasses.fields(TrainSettings)}
        )


@dataclass
class EvaluateCommand(EvaluationSettings):
    """Settings of `metamann-evaluate`.

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
    """Settings of `metamann-compare`.

    Attributes:
        runs: at least two of RUN, RUN:adapter and directories of sweeps.

    Examples:
        >>> CompareCommand(runs=["runs/one", "runs/two"]).episodes
        1000
    """

    runs: list[str] = MISSING  # type: ignore[assignment]  # the marker of Hydra for a required value


@dataclass
class ContinualCommand(ContinualSettings):
    """Settings of `metamann-continual`.

    Attributes:
        runs: at least one of RUN, RUN:adapter and directories of sweeps.

    Examples:
        >>> ContinualCommand(runs=["runs/one", "runs/one:linear_head"]).tasks
        20
    """

    runs: list[str] = MISSING  # type: ignore[assignment]


@dataclass
class AuditCommand(AuditSettings):
    """Settings of `metamann-audit`.

    Attributes:
        checkpoint: run directory (its best.pt), or a .pt file; None with `make_sampler`.
        make_sampler: dotted path of your own function that returns a sampler.
        make_test_sampler: dotted path of a function that returns the sampler of the test classes.
        make_learner: dotted path of a function that returns a learner.

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
