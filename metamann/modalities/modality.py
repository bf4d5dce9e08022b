"""What a kind of input must answer: how it is read, dealt, learned, scored and shown."""

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
        """The object of `data`, `protocol`, `encoder`, `memory` or `learner`; `extra` are arguments of the program."""


class Compute(NamedTuple):
    """Where and how much at once an evaluation computes.

    Attributes:
        device: to compute on.
        precision: `fp32` or `bf16`.
        images_per_batch: episodes of items are batched up to about this many items.
        sentences_per_batch: episodes of sentences are batched up to about this many sentences.
    """

    device: torch.device
    precision: str
    images_per_batch: int = 4000
    sentences_per_batch: int = 400


class Findings(NamedTuple):
    """What an evaluation found, and what there is to look at.

    Attributes:
        metrics: by name; none where nothing is labelled.
        statistics: of the memory, by name.
        pictures: by name, each drawn into the file that it is called with.
        page: an HTML page, written likewise; None where there is none.
        answers: a file of answers that was written; None where there is none.
    """

    metrics: dict[str, Interval]
    statistics: dict[str, float]
    pictures: Mapping[str, Write]
    page: Write | None = None
    answers: Path | None = None


class Judged(NamedTuple):
    """What a comparison needs of a learner: a score is the sum of `right` over the sum of `asked`.

    Attributes:
        metric: what was scored.
        right: `episodes`.
        asked: `episodes`.
    """

    metric: str
    right: np.ndarray
    asked: np.ndarray


class Course(NamedTuple):
    """Classes that arrive task after task.

    Attributes:
        tasks: of a sequence.
        classes: of a task.
        shots: examples of a class.
        queries: of a class.
        sequences: how many.
    """

    tasks: int = 20
    classes: int = 5
    shots: int = 5
    queries: int = 5
    sequences: int = 50


class Modality(ABC):
    """One kind of input with everything that differs between kinds.

    Attributes:
        name: in messages, such as `images`.
        fits: by group of conf/, the choices that go with it. A choice that no modality lists, of a plug-in say, goes
            with all that its own checks allow.
        monitor: the metric that chooses the best learner and that a run is known by.
    """

    name: ClassVar[str]
    fits: ClassVar[Fits]
    monitor: ClassVar[str] = "accuracy"

    # data and episodes

    @abstractmethod
    def read(self, build: Build) -> Any:
        """The data of a run: splits with `name`, `notes`, and `split(name)` whose stores have a `fingerprint`."""

    def fingerprints(self, splits: Any) -> dict[str, str]:
        """Of the data, by split."""
        return {part: splits.split(part).fingerprint for part in ("train", "val", "test")}

    def completed(self, nodes: Mapping[str, Any], splits: Any) -> Mapping[str, Any]:
        """The parts of a run with what they take from the data.

        They are what is built from, and are saved with the run, which is opened without its data.
        """
        return nodes

    def settled(self, protocol: Any, splits: Any) -> Any:
        """A protocol with what it takes from the data."""
        return protocol

    def check_alike(self, protocol: Any, train_protocol: Any) -> None:  # noqa: B027  # most have nothing to say
        """Refuse a training protocol that does not go with the one of validation.

        Raises:
            ConfigError: with what differs.
        """

    def store(self, splits: Any, split: str, protocol: Any) -> Any:
        """What a split gives to a protocol."""
        return splits.split(split)

    def sampler(self, splits: Any, split: str, protocol: Any, seed: int) -> Sampler:
        """Deals the episodes of a split."""
        return Sampler(self.store(splits, split, protocol), protocol, seed)

    def own_task(self, support: str, query: str, options: Any) -> Any:
        """Splits whose test part is the one task of a user's own two files.

        Raises:
            ConfigError: where a task does not come in files.
        """
        raise ConfigError(
            f"support= and query= are one few-shot task of sentences, but this run was trained on {self.name}; give a "
            "checkpoint of a few-shot tagger, such as experiment=records_5way_1shot."
        )

    def own_protocol(self, protocol: Any) -> Any:
        """The protocol of `own_task`."""
        return protocol

    # learners

    def serving(self, own: Sequence[Any], asked: Sequence[Any]) -> Sequence[Any]:
        """Of a run's own protocols and those that are asked for, the ones that its learner is built for: its own."""
        return own

    @abstractmethod
    def learner(self, build: Build, protocols: Sequence[Any], splits: Any) -> Any:
        """A fresh learner that serves these protocols."""

    def prepare(self, learner: Any, splits: Any) -> None:  # noqa: B027
        """What is computed once before training."""

    def unknown(self, learner: Any, name: str, stores: Sequence[Any]) -> tuple[str, ...]:
        """A line for what an encoder knows little of in a user's own data."""
        return ()

    @abstractmethod
    def trained_on(self, sampler: Any, data: str) -> str:
        """What a sampler deals for training, in a few words."""

    # evaluation

    @abstractmethod
    def evaluator(self, name: str, split: str, sampler: Any, tasks: Any, compute: Compute) -> Any:
        """Scores any learner on these episodes."""

    @abstractmethod
    def validate(self, learner: Any, evaluator: Any) -> dict[str, float]:
        """Mean scores that choose the best learner and make the curves; sets what is set on validation."""

    def settle(self, learner: Any, evaluator: Any) -> None:  # noqa: B027
        """Set what the best learner has set on validation episodes."""

    def calibration(self, learner: Any, evaluator: Any) -> dict[str, float]:
        """How scores are calibrated on validation episodes, see `metamann.evaluation.calibration`; empty if not."""
        return {}

    @abstractmethod
    def judged(self, learner: Any, evaluator: Any, metric: str | None) -> Judged:
        """What is right in each episode.

        Raises:
            ConfigError: if the metric is not measured.
        """

    @abstractmethod
    def findings(self, directory: Path, learner: Any, evaluator: Any) -> Findings:
        """Scores, statistics and pictures of a learner; files of single episodes are written into the directory."""

    def course(self, splits: Any, split: str, protocol: Any, course: Course, seed: int, compute: Compute) -> Any:
        """An evaluator of sequences of tasks: episodes of all classes, whose numbers say which task they belong to.

        Raises:
            ConfigError: where classes do not arrive task by task.
        """
        raise self._no_tasks()

    def matrices(self, learner: Any, evaluator: Any, tasks: int) -> np.ndarray:
        """R of every sequence of `course`, `sequences x tasks x tasks`.

        Raises:
            ConfigError: where classes do not arrive task by task.
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
            ConfigError: where there are no episodes of new classes.
        """
        raise ConfigError(f"this run was trained on {self.name}, which have no episodes of new classes.")

    # Python objects

    def objects(self, protocol: Any, settings: Mapping[str, Any], learner: Any) -> Objects:
        """Python objects to examples and answers back.

        Raises:
            ConfigError: where a learner is not adapted to examples.
        """
        raise ConfigError(f"a learner of {self.name} is not adapted to examples; load one that was trained few-shot.")

    def most_labels(self, learner: Any, protocols: Sequence[Any]) -> int | None:
        """How many labels the learner can name; None where it grows with the task."""
        return None
