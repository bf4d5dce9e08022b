"""The interface of a modality, one kind of input: data, episodes, learners, evaluation and Python objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch

from metamann.checks.finding import Finding
from metamann.episodes.sampler import Sampler
from metamann.errors import ConfigError
from metamann.evaluation.metrics import Interval
from metamann.modalities.task_objects import Objects

Write = Callable[[Path], None]
Fits = Mapping[str, tuple[str, ...]]


class Build(Protocol):
    """Builds the object that one part of a run's settings describes."""

    def __call__(self, part: str, **extra: Any) -> Any:
        """The object of `data`, `protocol`, `encoder`, `memory` or `learner`; `extra` are further arguments."""


class Compute(NamedTuple):
    """Device, precision and batch sizes of an evaluation.

    Attributes:
        device: to compute on.
        precision: `fp32` or `bf16`.
        images_per_batch: episodes of items are batched up to about this many items.
        sentences_per_batch: episodes of sentences are batched up to about this many sentences.

    Examples:
        >>> Compute(torch.device("cpu"), "fp32").images_per_batch
        4000
    """

    device: torch.device
    precision: str
    images_per_batch: int = 4000
    sentences_per_batch: int = 400


class Findings(NamedTuple):
    """Results of an evaluation: scores, statistics and functions that draw pictures.

    Attributes:
        metrics: by name; empty without labels.
        statistics: statistics of the memory, by name.
        pictures: functions by name that draw a picture into a file.
        page: function that writes an HTML page into a file; None without a page.
        answers: file of answers; None without one.
    """

    metrics: dict[str, Interval]
    statistics: dict[str, float]
    pictures: Mapping[str, Write]
    page: Write | None = None
    answers: Path | None = None


class EpisodeScores(NamedTuple):
    """Scores of a learner for a comparison: a score over episodes is the sum of `right` divided by the sum of `total`.

    Attributes:
        metric: its name.
        right: `episodes`.
        total: `episodes`.

    Examples:
        >>> scores = EpisodeScores("accuracy", np.array([0.5, 1.0]), np.ones(2))
        >>> float(scores.right.sum() / scores.total.sum())
        0.75
    """

    metric: str
    right: np.ndarray
    total: np.ndarray


class Course(NamedTuple):
    """Sequences of tasks, each with new classes, for continual learning.

    Attributes:
        tasks: number of tasks of a sequence.
        classes: number of classes of a task.
        shots: number of examples of a class.
        queries: number of queries of a class.
        sequences: number of sequences.

    Examples:
        >>> course = Course(tasks=4, classes=5)
        >>> course.tasks * course.classes
        20
    """

    tasks: int = 20
    classes: int = 5
    shots: int = 5
    queries: int = 5
    sequences: int = 50


class Modality(ABC):
    """One kind of input, with everything that differs between kinds of input.

    Attributes:
        name: its name in messages, such as `images`.
        fits: the compatible choices, by group of conf/. A choice that no modality lists, such as one of a plug-in, is
            compatible with every modality that its own checks accept.
        monitor: the metric that selects the best learner and is the main score of a run.
    """

    name: ClassVar[str]
    fits: ClassVar[Fits]
    monitor: ClassVar[str] = "accuracy"

    # data and episodes

    @abstractmethod
    def read(self, build: Build) -> Any:
        """The data of a run: splits with `name`, `notes`, and `split(name)` whose stores have a `fingerprint`."""

    def fingerprints(self, splits: Any) -> dict[str, str]:
        """Fingerprints of the data, by split."""
        return {part: splits.split(part).fingerprint for part in ("train", "val", "test")}

    def completed(self, nodes: Mapping[str, Any], splits: Any) -> Mapping[str, Any]:
        """The parts of a run, completed with settings that depend on the data.

        The completed parts are built and saved with the run, so that it can be opened without its data.
        """
        return nodes

    def settled(self, protocol: Any, splits: Any) -> Any:
        """A protocol, completed with settings that depend on the data."""
        return protocol

    def check_alike(self, protocol: Any, train_protocol: Any) -> None:  # noqa: B027  # most modalities check nothing
        """Refuse a training protocol that is not compatible with the one of validation.

        Raises:
            ConfigError: with the difference.
        """

    def store(self, splits: Any, split: str, protocol: Any) -> Any:
        """The store of a split, from which a protocol draws."""
        return splits.split(split)

    def sampler(self, splits: Any, split: str, protocol: Any, seed: int) -> Sampler:
        """The sampler of the episodes of a split."""
        return Sampler(self.store(splits, split, protocol), protocol, seed)

    def own_task(self, support: str, query: str, options: Any) -> Any:
        """Splits whose test part is the task of a user's own support and query files.

        Raises:
            ConfigError: if this modality has no task files.
        """
        raise ConfigError(
            f"support= and query= are one few-shot task of sentences, but this run was trained on {self.name}; give a "
            "checkpoint of a few-shot tagger, such as experiment=records_5way_1shot."
        )

    def own_protocol(self, protocol: Any) -> Any:
        """The protocol of `own_task`."""
        return protocol

    # learners

    def learner_protocols(self, own: Sequence[Any], requested: Sequence[Any]) -> Sequence[Any]:
        """The protocols that a learner is built for: those of its training, or those of the evaluation."""
        return own

    @abstractmethod
    def learner(self, build: Build, protocols: Sequence[Any], splits: Any) -> Any:
        """A new learner for episodes of these protocols."""

    def prepare(self, learner: Any, splits: Any) -> None:  # noqa: B027
        """Compute what is needed once, before training."""

    def unknown(self, learner: Any, name: str, stores: Sequence[Any]) -> tuple[str, ...]:
        """Notes on the parts of a user's own data that the vocabulary of an encoder does not cover, a line each."""
        return ()

    @abstractmethod
    def trained_on(self, sampler: Any, data: str) -> str:
        """A short description of the training episodes of a sampler."""

    # evaluation

    @abstractmethod
    def evaluator(self, name: str, split: str, sampler: Any, tasks: Any, compute: Compute) -> Any:
        """The evaluator of these episodes."""

    @abstractmethod
    def validate(self, learner: Any, evaluator: Any) -> dict[str, float]:
        """Mean validation scores, which select the best learner; fits the parameters that validation sets."""

    def settle(self, learner: Any, evaluator: Any) -> None:  # noqa: B027
        """Fit the parameters of the best learner that validation episodes set."""

    def calibration(self, learner: Any, evaluator: Any) -> dict[str, float]:
        """The calibration on validation episodes, see `metamann.evaluation.calibration`; empty without one."""
        return {}

    @abstractmethod
    def episode_scores(self, learner: Any, evaluator: Any, metric: str | None) -> EpisodeScores:
        """The scores of each episode.

        Raises:
            ConfigError: if the metric is not measured.
        """

    @abstractmethod
    def findings(self, directory: Path, learner: Any, evaluator: Any) -> Findings:
        """Results of an evaluation; files of single episodes are written into the directory."""

    def course(self, splits: Any, split: str, protocol: Any, course: Course, seed: int, compute: Compute) -> Any:
        """The evaluator of sequences of tasks: each episode holds all classes, which are assigned to tasks by number.

        Raises:
            ConfigError: if classes of this modality cannot arrive task by task.
        """
        raise self._no_tasks()

    def matrices(self, learner: Any, evaluator: Any, tasks: int) -> np.ndarray:
        """R of every sequence, `sequences x tasks x tasks`, see `metamann.evaluation.continual`.

        Raises:
            ConfigError: if classes of this modality cannot arrive task by task.
        """
        raise self._no_tasks()

    def _no_tasks(self) -> ConfigError:
        return ConfigError(
            f"this run was trained on {self.name}; tasks are classes of items, or types of entities with "
            "protocol=greedy_sentences."
        )

    def audit(self, splits: Any, sampler: Callable[[], Any], episodes: int) -> list[Finding]:
        """Checks of the data and of the sampler.

        Raises:
            ConfigError: if this modality has no episodes of new classes.
        """
        raise ConfigError(f"this run was trained on {self.name}, which have no episodes of new classes.")

    # Python objects

    def objects(self, protocol: Any, settings: Mapping[str, Any], learner: Any) -> Objects:
        """The conversion of Python objects to examples, and of answers to Python objects.

        Raises:
            ConfigError: if learners of this modality are not adapted to examples.
        """
        raise ConfigError(f"a learner of {self.name} is not adapted to examples; load one that was trained few-shot.")

    def most_labels(self, learner: Any, protocols: Sequence[Any]) -> int | None:
        """The largest number of labels that the learner can predict; None without a limit."""
        return None
