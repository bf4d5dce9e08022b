"""Settings of everything that can be run, typed: what Hydra checks on the command line, and what Python calls take.

A part, such as `data` or `memory`, is plain data: the dotted name of what it builds, `_target_`, with its arguments.
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

MISSING = "???"  # as Hydra spells what has to be given
PARTS = ("data", "protocol", "encoder", "memory", "learner", "adapter")


@dataclass
class LoggerSettings:
    """Mirrors of `metrics.jsonl`, which is always written.

    Attributes:
        wandb: Weights & Biases; offline unless logged in, or WANDB_MODE says otherwise.
        tensorboard: event files in the run directory.
        project: of Weights & Biases.

    Examples:
        >>> LoggerSettings(wandb=False, tensorboard=False)
        LoggerSettings(wandb=False, tensorboard=False, project='metamann')
    """

    wandb: bool = True
    tensorboard: bool = True
    project: str = "metamann"


@dataclass
class ValidationSettings:
    """The validations that choose `best.pt`; always of the same episodes.

    Attributes:
        episodes: of a validation.
        images_per_batch: items that are answered at once, about.
        sentences_per_batch: sentences that are answered at once, about.

    Examples:
        >>> ValidationSettings(episodes=1000).images_per_batch
        4000
    """

    episodes: int = 200
    images_per_batch: int = 4000
    sentences_per_batch: int = 400

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_number("validation.episodes", self.episodes, least=2, most=LARGEST_SIZE, whole=True)
        for name in ("images_per_batch", "sentences_per_batch"):
            check_number(f"validation.{name}", getattr(self, name), least=1, most=LARGEST_SIZE, whole=True)


@dataclass
class TrainSettings:
    """What `metamann.train` takes; `metamann.settings` composes it from conf/.

    Attributes:
        data: part; None of sequences.
        protocol: part; what an episode is.
        train_protocol: what training episodes change of `protocol`, or a part of its own.
        encoder: part; None of sequences.
        memory: part.
        learner: part.
        adapter: part; None for the learner itself.
        trainer: the outer loop.
        logger: dashboards.
        validation: what chooses the best learner.
        seed: of the parameters and of the sequence of training episodes.
        encoder_from: run directory of the same data whose encoder is taken, and trained no further.
        trust: classes or packages that parts may name, beside those of conf/ and of installed plug-ins.

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
        """Refuse a seed that is none, and parts that are no plain data."""
        check_seed("seed", self.seed)
        if not isinstance(self.train_protocol or {}, Mapping):
            raise ConfigError(
                f"train_protocol={setting(self.train_protocol)} must be settings: train_protocol.NAME=VALUE."
            )
        check_parts(self)


@dataclass
class SelectionSettings:
    """Which episodes of which data a trained run is asked.

    Attributes:
        data: part in place of the run's own, or keys of it that change; None leaves it.
        protocol: likewise.
        learner: keys of the run's own that change.
        adapter: part; how a trained learner answers in another way.
        episodes: at most: published episodes and supervised sentences may end earlier.
        seed: of the task list.
        split: train, val or test.
        trust: classes or packages that parts may name, beside those of conf/ and of installed plug-ins.

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
        """Refuse what is out of range."""
        check_seed("seed", self.seed)
        check_number("episodes", self.episodes, least=2, most=LARGEST_SIZE, whole=True)
        check_parts(self)


@dataclass
class TaskSettings(SelectionSettings):
    """Which episodes are answered, and on what machine.

    Attributes:
        images_per_batch: items that are answered at once, about.
        device: auto, cpu, cuda, or another name of torch.
        precision: auto, fp32 or bf16.

    Examples:
        >>> TaskSettings(split="val", device="cpu").precision
        'auto'
    """

    images_per_batch: int = 4000
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        super().__post_init__()
        check_number("images_per_batch", self.images_per_batch, least=1, most=LARGEST_SIZE, whole=True)


@dataclass
class EvaluationSettings(TaskSettings):
    """What `Run.evaluate` takes.

    Attributes:
        tasks: a saved tasks.npz to evaluate on, in place of a fresh list.
        sentences_per_batch: sentences that are answered at once, about.
        support: your own file, of any format: learn from it,
        query: and tag this one.
        spans: see `metamann.data.own.reader.ReadingOptions`, also for those below.
        overlaps: of spans.
        untagged: words or texts without labels.
        scheme: of tags.
        separator: of columns.
        token_column: column of the words, `auto` or a number.
        tag_column: column of the tags, likewise.

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
        """Refuse what is out of range, and settings that go with others that are not given."""
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
    """What `compare` takes.

    Attributes:
        metric: that learners are compared by; None for the main one of their kind.

    Examples:
        >>> ComparisonSettings(metric="accuracy/instance_2", episodes=200).seed
        0
    """

    metric: str | None = None


@dataclass
class ContinualSettings(TaskSettings):
    """What `Run.continual` takes.

    Attributes:
        tasks: of a sequence.
        classes: of a task.
        shots: examples of a class.
        queries: of a class.

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
        """Refuse what is out of range."""
        super().__post_init__()
        for name, least in (("tasks", 2), ("classes", 1), ("shots", 1), ("queries", 1)):
            check_number(name, getattr(self, name), least=least, most=LARGEST_SIZE, whole=True)


@dataclass
class AuditSettings(SelectionSettings):
    """What `Run.audit` takes.

    Attributes:
        answered: episodes that are answered to compare a share with chance.

    Examples:
        >>> AuditSettings(episodes=100).answered
        100
    """

    episodes: int = 400
    answered: int = 100

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        super().__post_init__()
        for name in ("episodes", "answered"):
            check_number(name, getattr(self, name), least=LEAST_AUDITED, most=LARGEST_SIZE, whole=True)


LEAST_AUDITED = 20
READING = tuple(option.name for option in dataclasses.fields(ReadingOptions))


def check_parts(settings: Any) -> None:
    """Refuse parts that are no plain data.

    Raises:
        ConfigError: with what is wrong.
    """
    for part in (*PARTS, "train_protocol"):
        fault = plain_fault(getattr(settings, part, None))
        if fault is not None:
            raise ConfigError(f"{part} is no plain data: {fault}. Write values without ${{...}}.")


def plain(settings: Any) -> dict[str, Any]:
    """Settings as plain data, as a checkpoint holds those of training."""
    return dataclasses.asdict(settings)


def train_settings(config: dict[str, Any], trust: list[str]) -> TrainSettings:
    """Training settings of the plain data of a checkpoint, of any version; the kind of every value is checked.

    Args:
        config: of the checkpoint.
        trust: of the user, never what the file brings along.

    Raises:
        ConfigError: with the setting that is wrong.
    """
    typed: dict[str, Any] = {}
    for name, kind in (("logger", LoggerSettings), ("validation", ValidationSettings)):
        known = {each.name for each in dataclasses.fields(kind)}
        given = config.get(name) if isinstance(config.get(name), dict) else {}
        typed[name] = kind(**{key: value for key, value in (given or {}).items() if key in known})
    typed["trainer"] = construct({**config["trainer"], "_target_": TRAINER}, "trainer", trust, {})
    parts: dict[str, Any] = {name: config.get(name) for name in (*PARTS, "seed", "encoder_from")}
    return TrainSettings(**parts, train_protocol=config.get("train_protocol") or {}, trust=trust, **typed)
