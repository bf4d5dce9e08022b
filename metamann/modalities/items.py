"""Labelled items of one shape, in classes: the common part of images, rows of features and time series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metamann.checks.finding import Finding
from metamann.checks.samplers import audit_sampler
from metamann.checks.splits import audit_splits
from metamann.data.store import ClassStore, DataSplits
from metamann.episodes.episode import Episode
from metamann.episodes.items.fitting import fitting_classes
from metamann.episodes.items.protocols import EpisodeProtocol, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.tasks import TaskList
from metamann.errors import ConfigError
from metamann.evaluation.calibration import calibrate_items
from metamann.evaluation.continual import accuracy_matrix
from metamann.evaluation.item_evaluator import ItemEvaluator
from metamann.evaluation.metrics import mean_interval
from metamann.hardware import autocast
from metamann.learners.learner import Learner
from metamann.memory.interface import Memory
from metamann.modalities.item_findings import item_findings
from metamann.modalities.item_objects import ItemObjects, Reader
from metamann.modalities.modality import Build, Compute, Course, EpisodeScores, Findings, Modality
from metamann.modalities.task_objects import Objects
from metamann.training.calibration import calibrate
from metamann.training.log import note

VALIDATION_CURVES = ("accuracy", "accuracy/instance_1", "accuracy/instance_2", "accuracy/instance_10")
LEARNERS = ("mann", "maml", "anil", "meta_sgd")
MEMORIES = (
    "additive", "delta", "dnc", "keyvalue", "keyvalue_bounded", "lrua", "nearest", "none", "ntm", "ntm_input",
    "prototypes", "ridge", "snail",
)  # fmt: skip


class Items(Modality):
    """Items of a `ClassStore`; a subclass lists compatible data and encoders, and reads Python objects."""

    @abstractmethod
    def reader(self, settings: Mapping[str, Any], learner: Any) -> Reader:
        """The reader of Python objects for the items of this run; see `metamann.modalities.item_objects.Reader`."""

    def read(self, build: Build) -> DataSplits:
        """The classes of the data set."""
        splits: DataSplits = build("data")
        return splits

    def store(self, splits: DataSplits, split: str, protocol: EpisodeProtocol) -> ClassStore:
        """The classes of a split; for a user's own data, only the classes with enough items.

        Raises:
            EpisodeError: if too few classes are left.
        """
        store = splits.split(split)
        if not splits.own:
            return store
        fitting, notes = fitting_classes(store, protocol)
        for text in notes:
            note(text)
        return fitting

    def learner(self, build: Build, protocols: Sequence[EpisodeProtocol], splits: Any) -> Learner[Any]:
        """The learner with its encoder and memory; label codes have the largest width of the protocols."""
        code_width = max(protocol.code_width() for protocol in protocols)
        encoder = build("encoder")
        memory = build("memory", features=encoder.features, code_width=code_width)
        learner: Learner[Any] = build("learner", encoder=encoder, memory=memory, code_width=code_width)
        return learner

    def trained_on(self, sampler: Sampler, data: str) -> str:
        """The number of training classes."""
        return f"{sampler.store.n_classes} training classes of {data}"

    def evaluator(self, name: str, split: str, sampler: Sampler, tasks: TaskList, compute: Compute) -> ItemEvaluator:
        """See `Modality.evaluator`."""
        return ItemEvaluator(name, split, sampler, tasks, compute.device, compute.precision, compute.images_per_batch)

    def validate(self, learner: Learner[Any], evaluator: ItemEvaluator) -> dict[str, float]:
        """Accuracies; for streams, the margin of novelty is set first."""
        encoded = evaluator.encode(learner)
        self._settle(learner, evaluator, encoded)
        scores = evaluator.scores(learner, encoded)
        return {name: mean_interval(scores[name]).mean for name in VALIDATION_CURVES if name in scores}

    def settle(self, learner: Learner[Any], evaluator: ItemEvaluator) -> None:
        """Set the margin of novelty."""
        self._settle(learner, evaluator, evaluator.encode(learner))

    def calibration(self, learner: Learner[Any], evaluator: ItemEvaluator) -> dict[str, float]:
        """One temperature, fitted on the answers to validation episodes."""
        rows = evaluator.encode(learner)
        batches = evaluator.tasks.batches(evaluator.sampler, evaluator.positions_per_batch, rows)
        with autocast(evaluator.device, evaluator.precision):
            on_device = (batch.to(evaluator.device) for batch in batches)
            return calibrate_items(learner.on_features(), on_device, len(evaluator.tasks))

    def episode_scores(self, learner: Learner[Any], evaluator: ItemEvaluator, metric: str | None) -> EpisodeScores:
        """The accuracy of each episode, or another score by name."""
        scores = evaluator.scores(learner)
        name = metric or self.monitor
        if name not in scores:
            raise ConfigError(f"metric={name} is not measured here; choose one of {', '.join(sorted(scores))}.")
        return EpisodeScores(name, np.nan_to_num(scores[name]), (~np.isnan(scores[name])).astype(float))

    def findings(self, directory: Path, learner: Learner[Any], evaluator: ItemEvaluator) -> Findings:
        """See `Modality.findings`."""
        return item_findings(learner, evaluator)

    def course(
        self, splits: DataSplits, split: str, protocol: EpisodeProtocol, course: Course, seed: int, compute: Compute
    ) -> ItemEvaluator:
        """N-way episodes that hold all classes of a sequence."""
        ways = course.tasks * course.classes
        all_classes = NWayKShot(ways, course.shots, course.queries, codes=protocol.codes)
        sampler = self.sampler(splits, split, all_classes, seed)
        return self.evaluator(splits.name, split, sampler, TaskList.draw(sampler, course.sequences), compute)

    def matrices(self, learner: Learner[Any], evaluator: ItemEvaluator, tasks: int) -> np.ndarray:
        """See `Modality.matrices`."""
        rows, matrices = evaluator.encode(learner), []
        on_features = learner.on_features()
        for batch in evaluator.tasks.batches(evaluator.sampler, 1, rows):
            assert isinstance(batch, Episode)
            with autocast(evaluator.device, evaluator.precision):
                matrices.append(accuracy_matrix(on_features, batch.to(evaluator.device), tasks))
        return np.asarray(torch.cat(matrices).numpy())

    def audit(self, splits: DataSplits, sampler: Callable[[], Sampler], episodes: int) -> list[Finding]:
        """See `Modality.audit`."""
        return [*audit_splits(splits), *audit_sampler(sampler, episodes)]

    def objects(self, protocol: EpisodeProtocol, settings: Mapping[str, Any], learner: Any) -> Objects:
        """See `Modality.objects`."""
        return ItemObjects(self.reader(settings, learner), protocol.codes, protocol.max_ways)

    def most_labels(self, learner: Any, protocols: Sequence[EpisodeProtocol]) -> int | None:
        """The number of label codes in training if a head outputs them; None otherwise."""
        memory = getattr(learner, "memory", None)
        if isinstance(memory, Memory) and memory.reads_label_mass:
            return None
        if all(protocol.codes.kind == "random" for protocol in protocols):
            return None
        return max(protocol.code_width() for protocol in protocols)

    @staticmethod
    def _settle(learner: Learner[Any], evaluator: ItemEvaluator, encoded: Tensor) -> None:
        memory = getattr(learner, "memory", None)
        margin = memory.novelty_margin() if isinstance(memory, Memory) else None
        if margin is not None and isinstance(evaluator.protocol, OnlineStream):
            calibrate(margin, lambda: mean_interval(evaluator.scores(learner, encoded)["accuracy"]).mean)
