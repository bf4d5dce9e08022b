"""A trained run: evaluated, compared, audited, taught task after task, and held as a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metamann.application.caller import PYTHON, Caller
from metamann.application.capacity import capacity_notes
from metamann.application.directory import check_no_run, save_settings
from metamann.application.opening import new_directory, opened
from metamann.application.parts import Parts
from metamann.application.report import mirrors_of, report
from metamann.application.settings import (
    AuditSettings,
    ComparisonSettings,
    ContinualSettings,
    EvaluationSettings,
    LoggerSettings,
    SelectionSettings,
    plain,
)
from metamann.application.trust import open_checkpoint
from metamann.checks.finding import Finding
from metamann.episodes.tasks import TaskList, seed_of
from metamann.errors import CheckpointError, ConfigError
from metamann.evaluation.comparison import Compared
from metamann.evaluation.metrics import Interval
from metamann.hardware import choose_device, choose_precision
from metamann.modalities.modality import Compute, Modality
from metamann.training.checkpoint import Checkpoint, find_checkpoint
from metamann.training.checkpoint_manager import parameter_fault
from metamann.training.log import note

if TYPE_CHECKING:
    from metamann.application.model import Model

CHANGEABLE = ("data", "protocol", "learner", "adapter")
NO_DASHBOARDS = LoggerSettings(wandb=False, tensorboard=False)


class Results(NamedTuple):
    """What an evaluation found.

    Attributes:
        directory: `results.json`, `results.md`, `tasks.npz` and `plots/` are there.
        metrics: by name, each a mean with its 95 % interval; none where nothing is labelled.
        score: the main metric; NaN where nothing is labelled.
    """

    directory: Path
    metrics: dict[str, Interval]
    score: float


class Run:
    """A run directory with a checkpoint, or a checkpoint file; it is read as data, and nothing of it is run.

    Args:
        where: run directory (its best.pt), or a .pt file.
        trust: classes or packages that its settings may name, beside those of conf/ and of installed plug-ins.
        metrics: that it ended with, where they are known.

    Attributes:
        directory: that was given, or the folder of the file.
        path: of the checkpoint.
        checkpoint: as it was saved, under the names of this version.
        parts: that it was trained with.
        modality: of its data.

    Raises:
        CheckpointError: if there is no such checkpoint, or it is refused.
        ConfigError: if it names a class that is not trusted.
    """

    def __init__(
        self, where: str | Path, *, trust: Sequence[str] = (), metrics: dict[str, Interval] | None = None
    ) -> None:
        self.path = find_checkpoint(str(where))
        given = Path(where).expanduser()
        self.directory = given if given.is_dir() else self.path.parent
        self.checkpoint: Checkpoint = open_checkpoint(self.path, trust)
        if self.path.name == "last.pt" and self.path != given:
            note(f"{where} has no best.pt yet: its last.pt is used, which was trained for {self.checkpoint.step} steps")
        self.parts = Parts(self.checkpoint.config, trust)
        self.modality: Modality = self.parts.modality
        self.metrics = metrics

    @property
    def score(self) -> float:
        """The main metric that it ended with."""
        return math.nan if not self.metrics else self.metrics[self.modality.monitor].mean

    def opened(self, settings: SelectionSettings) -> Opened:
        """The run with the data, protocol, learner and adapter that are asked for.

        Raises:
            ConfigError: if its learner cannot take what is asked for.
        """
        if settings.data and not self.parts.nodes.get("data"):
            raise ConfigError(f"{self.path} was trained on {self.modality.name}, which have no data; leave out data=.")
        asked = self.parts.replaced({group: getattr(settings, group) for group in CHANGEABLE})
        asked = asked._replace(nodes={**asked.nodes, "train_protocol": {}})
        try:
            kind = asked.modality  # refuses parts that do not go together
        except ConfigError:
            if settings.data or not settings.protocol:
                raise
            kind = None  # the learner and the data are the run's own, so it is the protocol that does not go with them
        if kind is None or (settings.protocol and kind.name != self.modality.name):
            raise ConfigError(
                f"{self.path} was trained on {self.modality.name}, and its learner cannot take up another kind; leave "
                f"out protocol=, or choose one of {', '.join(self.modality.fits['protocol'])}."
            )
        return Opened(self, asked, bool(settings.data), settings)

    def evaluate(
        self,
        settings: EvaluationSettings | None = None,
        directory: str | Path | None = None,
        *,
        logger: LoggerSettings = NO_DASHBOARDS,
        caller: Caller = PYTHON,
    ) -> Results:
        """Answer a fixed list of episodes of classes never seen, and write what was found.

        Args:
            settings: the run's own protocol and data unless they say otherwise.
            directory: for the results; it may hold earlier ones, but no run. None takes a new one below `outputs/`.
            logger: dashboards.
            caller: see `metamann.train`.
        """
        settings = settings or EvaluationSettings()
        with opened(directory or new_directory("evaluate")) as path:
            check_no_run(path)
            save_settings(path, plain(settings), caller.files, ".hydra")
            run = self.opened(settings)
            evaluator = run.evaluator(settings)
            learner = run.learner(evaluator)
            for line in run.notes(learner, evaluator):
                note(line)
            mirrors = mirrors_of(logger, path, plain(settings))
            try:
                metrics = report(path, self.modality, learner, evaluator, self.origin(), mirrors, caller.line)
            finally:
                mirrors.close()
        return Results(path, metrics, metrics[self.modality.monitor].mean if metrics else math.nan)

    def compare(
        self,
        *others: str | Path,
        settings: ComparisonSettings | None = None,
        directory: str | Path | None = None,
    ) -> list[Compared]:
        """Compare it with other runs on one task list; see `metamann.compare`."""
        from metamann.application.comparison import compare_runs

        return compare_runs([str(self.path), *map(str, others)], settings, directory)

    def continual(
        self, settings: ContinualSettings | None = None, directory: str | Path | None = None
    ) -> dict[str, np.ndarray]:
        """Teach it classes task after task; see `metamann.continual`."""
        from metamann.application.continual import teach_tasks

        return next(iter(teach_tasks([str(self.path)], settings, directory).values()))

    def audit(self, settings: AuditSettings | None = None, directory: str | Path | None = None) -> list[Finding]:
        """Check the contracts of its data, sampler and learner; see `metamann.application.audit.audit_run`."""
        from metamann.application.audit import audit_run

        return audit_run(self, settings, directory)

    def model(self, device: str = "auto") -> Model:
        """Its learner, to be adapted to examples; see `metamann.load`."""
        from metamann.application.load import load

        return load(self.path, device=device, trust=self.parts.trust)

    def origin(self) -> dict[str, Any]:
        """Where its numbers come from, to be written beside them."""
        return {
            "checkpoint": str(self.path),
            "checkpoint_step": self.checkpoint.step,
            "training_seed": self.checkpoint.config["seed"],
            "training_seconds": round(self.checkpoint.seconds),
        }


class Opened(NamedTuple):
    """A run with the parts that are asked for.

    Attributes:
        run: as it was trained.
        parts: that are asked for.
        other_data: they are not the run's own.
        settings: of the episodes; those of an audit say nothing of a machine.
    """

    run: Run
    parts: Parts
    other_data: bool
    settings: Any

    def compute(self, sentences_per_batch: int = 400) -> Compute:
        """Where it is computed."""
        device = choose_device(self.settings.device)
        precision = choose_precision(self.settings.precision, device)
        return Compute(device, precision, self.settings.images_per_batch, sentences_per_batch)

    def splits(self) -> Any:
        """The data, read.

        Raises:
            CheckpointError: if data that are the run's own by name are not by content.
        """
        splits, split = self.parts.data(self.run.modality), self.settings.split
        found = self.run.modality.fingerprints(splits)
        if not self.other_data and found.get(split) != self.run.checkpoint.fingerprints.get(split):
            raise CheckpointError(
                f"the data of {self.run.path} have changed since it was trained: split '{split}' of {splits.name} has "
                "another fingerprint. Restore them, or name the data with data=."
            )
        return splits

    def protocol(self, splits: Any) -> Any:
        """The protocol, with what it takes from the data."""
        return self.run.modality.settled(self.parts.build("protocol"), splits)

    def evaluator(self, settings: EvaluationSettings) -> Any:
        """What it is evaluated on.

        Raises:
            MetamannError: if the data cannot give such episodes, or a saved list is not of them.
        """
        modality, compute = self.run.modality, self.compute(settings.sentences_per_batch)
        if settings.support and settings.query:
            splits = modality.own_task(settings.support, settings.query, settings.reading)
            for line in splits.notes:
                note(line)
            protocol = modality.own_protocol(self.parts.build("protocol"))
        else:
            splits = self.splits()
            protocol = self.protocol(splits)
        if settings.tasks:
            path = Path(settings.tasks).expanduser()
            sampler = modality.sampler(splits, settings.split, protocol, seed_of(path))
            tasks = TaskList.load(path, sampler)
        else:
            sampler = modality.sampler(splits, settings.split, protocol, settings.seed)
            tasks = TaskList.draw(sampler, sampler.at_most(settings.episodes))
        return modality.evaluator(splits.name, settings.split, sampler, tasks, compute)

    def learner(self, evaluator: Any) -> Any:
        """The trained learner, for the episodes of an evaluator."""
        return self.trained((evaluator.protocol,))

    def trained(self, protocols: Sequence[Any]) -> Any:
        """The trained learner, in its adapter, for episodes of these protocols.

        Raises:
            CheckpointError: if the checkpoint holds another learner's parameters, or they are not good.
        """
        run = self.run
        own = run.modality.serving(run.parts.protocols(), protocols)
        learner = run.modality.learner(self.parts.build, own, None)
        run.checkpoint.load_into(learner, run.path)
        fault = parameter_fault(learner)
        if fault is not None:
            raise CheckpointError(f"{run.path} is refused, for its parameters blew up: {fault}. Use another run.")
        return self.parts.adapted(learner)

    def notes(self, learner: Any, evaluator: Any) -> tuple[str, ...]:
        """What to say of a user's own data and of a memory that is too small, a line each."""
        modality, data = self.run.modality, self.parts.nodes.get("data") or {}
        own = getattr(self.settings, "support", None) or "path" in data
        unknown = modality.unknown(learner, evaluator.data, (evaluator.sampler.store,)) if own else ()
        return (*unknown, *capacity_notes(learner, evaluator.sampler.loads()))

    def make_sampler(self, splits: Any) -> Callable[[], Any]:
        """Makes fresh samplers, the same at every call."""
        protocol = self.protocol(splits)
        return lambda: self.run.modality.sampler(splits, self.settings.split, protocol, self.settings.seed)
