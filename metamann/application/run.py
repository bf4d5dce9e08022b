"""A trained run, which can be evaluated, compared, audited, and loaded as a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metamann.application.caller import PYTHON, Caller
from metamann.application.capacity import capacity_notes
from metamann.application.directory import check_no_run, save_settings
from metamann.application.opening import new_directory, open_directory
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
    """Results of an evaluation.

    Attributes:
        directory: holds `results.json`, `results.md`, `tasks.npz` and `plots/`.
        metrics: by name, each a mean with its 95 % interval; empty without labels.
        score: the main metric; NaN without labels.

    Examples:
        >>> metrics = {"accuracy": Interval(0.9, 0.88, 0.92)}
        >>> results = Results(Path("outputs/evaluate"), metrics, score=0.9)  # as `Run.evaluate` returns them
        >>> results.metrics["accuracy"].low
        0.88
    """

    directory: Path
    metrics: dict[str, Interval]
    score: float


class Run:
    """A run directory with a checkpoint, or a checkpoint file, which is read as data: no code of it is run.

    Args:
        where: run directory (its best.pt), or a .pt file.
        trust: classes or packages that its settings may name, besides those of conf/ and of installed plug-ins.
        metrics: metrics at the end of training, if known.

    Attributes:
        directory: the run directory, or the folder of the file.
        path: path of the checkpoint.
        checkpoint: the checkpoint, with class names of this version.
        parts: the parts of its training.
        modality: the modality of its data.

    Raises:
        CheckpointError: if the checkpoint does not exist or is refused.
        ConfigError: if it names a class that is not trusted.

    Examples:
        >>> import metamann
        >>> tiny = {"memory": "none", "trainer.steps": 2, "validation.episodes": 2}
        >>> tiny |= {"logger.wandb": False, "logger.tensorboard": False}
        >>> run = metamann.train(metamann.settings("copy", **tiny), "runs/mine")
        >>> Run("runs/mine").checkpoint.step
        2
        >>> results = run.evaluate(EvaluationSettings(episodes=10), "results/mine")
        >>> 0 <= results.score <= 1
        True
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
        """The main metric at the end of training; NaN if it is not known."""
        return math.nan if not self.metrics else self.metrics[self.modality.monitor].mean

    def opened(self, settings: SelectionSettings) -> Opened:
        """The run with the data, protocol, learner and adapter of the settings.

        Raises:
            ConfigError: if its learner is not compatible with them.
        """
        if settings.data and not self.parts.nodes.get("data"):
            raise ConfigError(f"{self.path} was trained on {self.modality.name}, which have no data; leave out data=.")
        parts = self.parts.replaced({group: getattr(settings, group) for group in CHANGEABLE})
        parts = parts._replace(nodes={**parts.nodes, "train_protocol": {}})
        try:
            kind = parts.modality  # refuses parts that are not compatible
        except ConfigError:
            if settings.data or not settings.protocol:
                raise
            kind = None  # learner and data are those of the run, so the protocol is not compatible
        if kind is None or (settings.protocol and kind.name != self.modality.name):
            raise ConfigError(
                f"{self.path} was trained on {self.modality.name}, and its learner cannot take up another kind; leave "
                f"out protocol=, or choose one of {', '.join(self.modality.fits['protocol'])}."
            )
        return Opened(self, parts, bool(settings.data), settings)

    def evaluate(
        self,
        settings: EvaluationSettings | None = None,
        directory: str | Path | None = None,
        *,
        logger: LoggerSettings = NO_DASHBOARDS,
        caller: Caller = PYTHON,
    ) -> Results:
        """Evaluate on a fixed list of episodes of new classes, and write the results.

        Args:
            settings: of the evaluation; by default with the data and the protocol of the run.
            directory: for the results; it may hold earlier results, but no run. None creates one below `outputs/`.
            logger: dashboards.
            caller: see `metamann.train`.
        """
        settings = settings or EvaluationSettings()
        with open_directory(directory or new_directory("evaluate")) as path:
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
        """Compare the run with other runs on one task list; see `metamann.compare`."""
        from metamann.application.comparison import compare_runs

        return compare_runs([str(self.path), *map(str, others)], settings, directory)

    def continual(
        self, settings: ContinualSettings | None = None, directory: str | Path | None = None
    ) -> dict[str, np.ndarray]:
        """Evaluate the run on sequences of tasks; see `metamann.continual`."""
        from metamann.application.continual import teach_tasks

        return next(iter(teach_tasks([str(self.path)], settings, directory).values()))

    def audit(self, settings: AuditSettings | None = None, directory: str | Path | None = None) -> list[Finding]:
        """Check the contracts of data, sampler and learner; see `metamann.application.audit.audit_run`."""
        from metamann.application.audit import audit_run

        return audit_run(self, settings, directory)

    def model(self, device: str = "auto") -> Model:
        """Load the learner, which is adapted to examples; see `metamann.load`."""
        from metamann.application.load import load

        return load(self.path, device=device, trust=self.parts.trust)

    def origin(self) -> dict[str, Any]:
        """The origin of results of this run, for results files."""
        return {
            "checkpoint": str(self.path),
            "checkpoint_step": self.checkpoint.step,
            "training_seed": self.checkpoint.config["seed"],
            "training_seconds": round(self.checkpoint.seconds),
        }


class Opened(NamedTuple):
    """A run with the parts of an evaluation.

    Attributes:
        run: the trained run.
        parts: the parts of the evaluation.
        other_data: whether the data are not those of the run.
        settings: of the episodes; those of an audit have no device.
    """

    run: Run
    parts: Parts
    other_data: bool
    settings: Any

    def compute(self, sentences_per_batch: int = 400) -> Compute:
        """Device, precision and batch sizes."""
        device = choose_device(self.settings.device)
        precision = choose_precision(self.settings.precision, device)
        return Compute(device, precision, self.settings.images_per_batch, sentences_per_batch)

    def splits(self) -> Any:
        """Read the data.

        Raises:
            CheckpointError: if the data of the run have changed.
        """
        splits, split = self.parts.data(self.run.modality), self.settings.split
        fingerprints = self.run.modality.fingerprints(splits)
        if not self.other_data and fingerprints.get(split) != self.run.checkpoint.fingerprints.get(split):
            raise CheckpointError(
                f"the data of {self.run.path} have changed since it was trained: split '{split}' of {splits.name} has "
                "another fingerprint. Restore them, or name the data with data=."
            )
        return splits

    def protocol(self, splits: Any) -> Any:
        """The protocol, completed with settings that depend on the data."""
        return self.run.modality.settled(self.parts.build("protocol"), splits)

    def evaluator(self, settings: EvaluationSettings) -> Any:
        """The evaluator.

        Raises:
            MetamannError: if the data do not suffice for the episodes, or a saved task list does not fit.
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
            CheckpointError: if the parameters do not fit the learner, or have diverged.
        """
        run = self.run
        build_for = run.modality.learner_protocols(run.parts.protocols(), protocols)
        learner = run.modality.learner(self.parts.build, build_for, None)
        run.checkpoint.load_into(learner, run.path)
        fault = parameter_fault(learner)
        if fault is not None:
            raise CheckpointError(f"{run.path} is refused, for its parameters blew up: {fault}. Use another run.")
        return self.parts.adapted(learner)

    def notes(self, learner: Any, evaluator: Any) -> tuple[str, ...]:
        """Notes on a user's own data and on a memory that is too small, a line each."""
        modality, data = self.run.modality, self.parts.nodes.get("data") or {}
        own = getattr(self.settings, "support", None) or "path" in data
        unknown = modality.unknown(learner, evaluator.data, (evaluator.sampler.store,)) if own else ()
        return (*unknown, *capacity_notes(learner, evaluator.sampler.loads()))

    def make_sampler(self, splits: Any) -> Callable[[], Any]:
        """A function that returns a new sampler, the same at every call."""
        protocol = self.protocol(splits)
        return lambda: self.run.modality.sampler(splits, self.settings.split, protocol, self.settings.seed)
