"""Typed settings of all commands and Python functions; Hydra checks them on the command line.

A part, such as `data` or `memory`, is plain data: the dotted name of a class, `_target_`, with its arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metamann.application.construct import construct
from metamann.application.trust import TRAINER
from metamann.data.own.reader import ReadingOptions
from metamann.errors import LARGEST_SIZE, ConfigError, check_number, check_seed, setting
from metamann.training.loop import TrainerConfig
from metamann.training.plain import plain_fault

MISSING = "???"  # the marker of Hydra for a required value
PARTS = ("data", "protocol", "encoder", "memory", "learner", "adapter")


@dataclass
class LoggerSettings:
    """Dashboards, which mirror `metrics.jsonl`.

    Attributes:
        wandb: Weights & Biases; offline without a login, unless WANDB_MODE is set.
        tensorboard: event files in the run directory.
        project: project of Weights & Biases.

    Examples:
        >>> LoggerSettings(wandb=False, tensorboard=False)
        LoggerSettings(wandb=False, tensorboard=False, project='metamann')
    """

    wandb: bool = True
    tensorboard: bool = True
    project: str = "metamann"


@dataclass
class ValidationSettings:
    """The validations that select `best.pt`; all of them use the same episodes.

    Attributes:
        episodes: number of episodes of a validation.
        images_per_batch: approximate number of items of a batch.
        sentences_per_batch: approximate number of sentences of a batch.

    Examples:
        >>> ValidationSettings(episodes=1000).images_per_batch
        4000
    """

    episodes: int = 200
    images_per_batch: int = 4000
    sentences_per_batch: int = 400

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_number("validation.episodes", self.episodes, least=2, most=LARGEST_SIZE, whole=True)
        for name in ("images_per_batch", "sentences_per_batch"):
            check_number(f"validation.{name}", getattr(self, name), least=1, most=LARGEST_SIZE, whole=True)


@dataclass
class TrainSettings:
    """Settings of `metamann.train`; `metamann.settings` composes them from conf/.

    Attributes:
        data: part; None for sequences.
        protocol: part; defines an episode.
        train_protocol: changes of `protocol` for training episodes, or another part.
        encoder: part; None for sequences.
        memory: part.
        learner: part.
        adapter: part; None without an adapter.
        trainer: the outer loop.
        logger: dashboards.
        validation: the validations that select the best learner.
        seed: of the parameters and of the sequence of training episodes.
        encoder_from: run directory, trained on the same data, whose encoder is used and not trained further.
        trust: classes or packages that parts may name, besides those of conf/ and of installed plug-ins.

    Examples:
        >>> from metamann.application.parts import choice
        >>> data, protocol = choice("data", "strokes"), choice("protocol", "nway", ways=3)
        >>> settings = TrainSettings(data=data, protocol=protocol, seed=1)
        >>> settings.protocol["ways"], settings.trainer.steps
        (3, 1000)
    """

    data: Any = None
    protocol: Any = None
    train_protocol: Any = field(default_factory=dict)
    encoder: Any = None
    memory: Any = None
    learner: Any = None
    adapter: Any = None
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerSettings = field(default_factory=LoggerSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    seed: int = 0
    encoder_from: str | None = None
    trust: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a wrong seed, and parts that are no plain data."""
        check_seed("seed", self.seed)
        if not isinstance(self.train_protocol or {}, Mapping):
            raise ConfigError(
                f"train_protocol={setting(self.train_protocol)} must be settings: train_protocol.NAME=VALUE."
            )
        check_parts(self)


@dataclass
class SelectionSettings:
    """The selection of the episodes of an evaluation.

    Attributes:
        data: part that replaces that of the run, or keys to change in it; None for the data of the run.
        protocol: as `data`.
        learner: keys to change in the learner of the run.
        adapter: part; changes how the trained learner answers.
        episodes: largest number; published episodes and supervised sentences may be fewer.
        seed: of the task list.
        split: train, val or test.
        trust: classes or packages that parts may name, besides those of conf/ and of installed plug-ins.

    Examples:
        >>> SelectionSettings(protocol={"ways": 20}, episodes=200).split
        'test'
    """

    data: Any = None
    protocol: Any = None
    learner: Any = None
    adapter: Any = None
    episodes: int = 1000
    seed: int = 0
    split: str = "test"
    trust: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_seed("seed", self.seed)
        check_number("episodes", self.episodes, least=2, most=LARGEST_SIZE, whole=True)
        check_parts(self)


@dataclass
class TaskSettings(SelectionSettings):
    """The selection of the episodes of an evaluation, with batch size, device and precision.

    Attributes:
        images_per_batch: approximate number of items of a batch.
        device: auto, cpu, cuda, or another device of torch.
        precision: auto, fp32 or bf16.

    Examples:
        >>> TaskSettings(split="val", device="cpu").precision
        'auto'
    """

    images_per_batch: int = 4000
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        super().__post_init__()
        check_number("images_per_batch", self.images_per_batch, least=1, most=LARGEST_SIZE, whole=True)


@dataclass
class EvaluationSettings(TaskSettings):
    """Settings of `Run.evaluate`.

    Attributes:
        tasks: a saved tasks.npz to evaluate on, in place of a new list.
        sentences_per_batch: approximate number of sentences of a batch.
        support: your own labelled file, of any format, to learn from.
        query: your own file to tag.
        spans: see `metamann.data.own.reader.ReadingOptions`, as for the following settings.
        overlaps: overlapping spans.
        untagged: words or texts without labels.
        scheme: scheme of the tags.
        separator: separator of the columns.
        token_column: column of the words, `auto` or a number.
        tag_column: column of the tags, `auto` or a number.

    Examples:
        >>> EvaluationSettings(support="known.txt", query="new.txt", scheme="IOB2").reading.scheme
        'IOB2'
        >>> EvaluationSettings(support="known.txt")
        Traceback (most recent call last):
        metamann.errors.ConfigError: support= and query= go together: the file to learn from, and the one to tag.
    """

    tasks: str | None = None
    sentences_per_batch: int = 400
    support: str | None = None
    query: str | None = None
    spans: str | None = None
    overlaps: str | None = None
    untagged: str | None = None
    scheme: str | None = None
    separator: str | None = None
    token_column: Any = None
    tag_column: Any = None

    def __post_init__(self) -> None:
        """Refuse values out of range, and settings that require others."""
        super().__post_init__()
        check_number("sentences_per_batch", self.sentences_per_batch, least=1, most=LARGEST_SIZE, whole=True)
        given = {name: getattr(self, name) for name in READING if getattr(self, name) is not None}
        if bool(self.support) != bool(self.query):
            raise ConfigError("support= and query= go together: the file to learn from, and the one to tag.")
        if given and not self.support:
            name = next(iter(given))
            raise ConfigError(f"{name}= says how support= and query= are read; give them, or set data.{name}.")
        if self.support and self.split != "test":
            raise ConfigError(f"support= and query= are one task of split=test; leave out split={self.split}.")
        self.reading = ReadingOptions(**given)


@dataclass
class ComparisonSettings(EvaluationSettings):
    """Settings of `metamann.compare`.

    Attributes:
        metric: metric of the comparison; None for the main metric of the modality.

    Examples:
        >>> ComparisonSettings(metric="accuracy/instance_2", episodes=200).seed
        0
    """

    metric: str | None = None


@dataclass
class ContinualSettings(TaskSettings):
    """Settings of `metamann.continual` and `Run.continual`.

    Attributes:
        tasks: number of tasks of a sequence.
        classes: number of classes of a task.
        shots: number of examples of a class.
        queries: number of queries of a class.

    Examples:
        >>> settings = ContinualSettings(tasks=4, classes=5)
        >>> settings.tasks * settings.classes
        20
    """

    episodes: int = 50
    tasks: int = 20
    classes: int = 5
    shots: int = 5
    queries: int = 5

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        super().__post_init__()
        for name, least in (("tasks", 2), ("classes", 1), ("shots", 1), ("queries", 1)):
            check_number(name, getattr(self, name), least=least, most=LARGEST_SIZE, whole=True)


@dataclass
class AuditSettings(SelectionSettings):
    """Settings of `metamann.audit` and `Run.audit`.

    Attributes:
        answered: number of episodes that are answered, to compare the share of right answers with chance.

    Examples:
        >>> AuditSettings(episodes=100).answered
        100
    """

    episodes: int = 400
    answered: int = 100

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        super().__post_init__()
        for name in ("episodes", "answered"):
            check_number(name, getattr(self, name), least=LEAST_AUDITED, most=LARGEST_SIZE, whole=True)


LEAST_AUDITED = 20
READING = tuple(option.name for option in dataclasses.fields(ReadingOptions))


def check_parts(settings: Any) -> None:
    """Refuse parts that are no plain data.

    Raises:
        ConfigError: with the fault.
    """
    for part in (*PARTS, "train_protocol"):
        fault = plain_fault(getattr(settings, part, None))
        if fault is not None:
            raise ConfigError(f"{part} is no plain data: {fault}. Write values without ${{...}}.")


def plain(settings: Any) -> dict[str, Any]:
    """Settings as plain data, as in a checkpoint."""
    return dataclasses.asdict(settings)


def train_settings(config: dict[str, Any], trust: list[str]) -> TrainSettings:
    """Training settings of the plain data of a checkpoint of any version; the type of every value is checked.

    Args:
        config: plain data of the checkpoint.
        trust: what the user trusts; the value in the checkpoint is ignored.

    Raises:
        ConfigError: with the wrong setting.
    """
    typed: dict[str, Any] = {}
    for name, kind in (("logger", LoggerSettings), ("validation", ValidationSettings)):
        known = {option.name for option in dataclasses.fields(kind)}
        given = config.get(name) if isinstance(config.get(name), dict) else {}
        typed[name] = kind(**{key: value for key, value in (given or {}).items() if key in known})
    typed["trainer"] = construct({**config["trainer"], "_target_": TRAINER}, "trainer", trust, {})
    parts: dict[str, Any] = {name: config.get(name) for name in (*PARTS, "seed", "encoder_from")}
    return TrainSettings(**parts, train_protocol=config.get("train_protocol") or {}, trust=trust, **typed)
