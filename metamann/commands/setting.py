"""What a training run is made of: learner, sampler and validation, on images, sentences or sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from metamann.commands.build import (
    AnyProtocol,
    build_data,
    build_learner,
    build_sentences,
    build_sequence_learner,
    build_tagger,
    classes_for,
    code_width,
    show_notes,
)
from metamann.commands.capacity import capacity_notes, check_room
from metamann.data.sentences.store import SentenceSplits
from metamann.encoders.frozen import FrozenEncoder
from metamann.encoders.vocabulary import little_known
from metamann.episodes.items.protocols import EpisodeProtocol, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.sequences.source import RandomBits
from metamann.episodes.tasks import TaskList
from metamann.errors import ConfigError
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import mean_interval
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.evaluation.spans import span_scores
from metamann.learners.adapters.majority import Majority
from metamann.learners.mann import MANN
from metamann.training.calibration import calibrate

VALIDATION_SEED = 0
SETTLED_ON = 5  # times the episodes of a validation
VALIDATION_CURVES = ("accuracy", "accuracy/instance_1", "accuracy/instance_2", "accuracy/instance_10")
SENTENCE_CURVES = ("f1", "precision", "recall", "span_f1", "typing_accuracy")


class Setting(NamedTuple):
    """What a run trains, on what, and how it is judged.

    Attributes:
        learner: fresh.
        sampler: deals what it is trained on.
        validation: what chooses the best learner, and what that one is reported on.
        validate: mean scores of the learner.
        settle: sets what the best learner has set on held-out classes, on more episodes than each validation takes.
        fingerprints: of the data splits, by name; none of sequences.
        trained_on: in a few words.
    """

    learner: Any
    sampler: Sampler
    validation: Evaluator | SentenceEvaluator | SequenceEvaluator
    validate: Callable[[], dict[str, float]]
    settle: Callable[[], None]
    fingerprints: dict[str, str]
    trained_on: str


def build_setting(
    config: DictConfig,
    protocol: AnyProtocol,
    train_protocol: AnyProtocol,
    device: torch.device,
    precision: str,
) -> Setting:
    """What is trained by the first protocol of `build_protocols` for validation and the second for training.

    It is said if the memory is too small for the episodes.

    Raises:
        ConfigError: if the two do not deal the same kind of thing, this machine is too small for the memory, or the
            learner cannot be trained.
    """
    setting = _build_setting(config, protocol, train_protocol, device, precision)
    if isinstance(setting.learner, Majority):
        raise ConfigError("learner=majority is for evaluating: nothing of it is trained; choose another learner.")
    check_room(setting.learner, config.trainer.batch_size // config.trainer.accumulate)
    show_notes(capacity_notes(setting.learner, setting.validation.sampler, setting.sampler))
    return setting


def _build_setting(
    config: DictConfig,
    protocol: AnyProtocol,
    train_protocol: AnyProtocol,
    device: torch.device,
    precision: str,
) -> Setting:
    if isinstance(protocol, SequenceTask) and isinstance(train_protocol, SequenceTask):
        return _on_sequences(config, protocol, train_protocol, device)
    if isinstance(protocol, SentenceProtocol) and isinstance(train_protocol, SentenceProtocol):
        return _on_sentences(config, protocol, train_protocol, device, precision)
    if isinstance(protocol, SequenceTask | SentenceProtocol) or isinstance(
        train_protocol, SequenceTask | SentenceProtocol
    ):
        raise ConfigError(
            "protocol and train_protocol must deal both images, sentences or sequences; choose two alike."
        )
    return _on_episodes(config, protocol, train_protocol, device, precision)


def _on_episodes(
    config: DictConfig,
    protocol: EpisodeProtocol,
    train_protocol: EpisodeProtocol,
    device: torch.device,
    precision: str,
) -> Setting:
    splits = build_data(config)
    sampler = Sampler(classes_for(train_protocol, splits, "train"), train_protocol, config.seed)
    held_out = Sampler(classes_for(protocol, splits, "val"), protocol, VALIDATION_SEED)
    tasks = TaskList.draw(held_out, held_out.at_most(config.validation.episodes))
    images_per_batch = config.validation.images_per_batch
    validation = Evaluator(splits.name, "val", held_out, tasks, device, precision, images_per_batch)
    torch.manual_seed(config.seed)
    learner = build_learner(config, code_width(protocol, train_protocol))

    def settle_on(evaluator: Evaluator, encoded: Tensor) -> None:
        margin = learner.memory.novelty_margin() if isinstance(learner, MANN) else None
        if margin is not None and isinstance(protocol, OnlineStream):
            calibrate(margin, lambda: mean_interval(evaluator.scores(learner, encoded)["accuracy"]).mean)

    def validate() -> dict[str, float]:
        encoded = validation.encode(learner)
        settle_on(validation, encoded)
        scores = validation.scores(learner, encoded)
        return {name: mean_interval(scores[name]).mean for name in VALIDATION_CURVES if name in scores}

    def settle() -> None:
        wanted = held_out.at_most(SETTLED_ON * config.validation.episodes)
        more = validation._replace(tasks=TaskList.draw(held_out, wanted))
        settle_on(more, more.encode(learner))

    fingerprints = {name: splits.split(name).fingerprint for name in ("train", "val", "test")}
    trained_on = f"{sampler.store.n_classes} training classes of {splits.name}"
    return Setting(learner, sampler, validation, validate, settle, fingerprints, trained_on)


def _on_sentences(
    config: DictConfig,
    protocol: SentenceProtocol,
    train_protocol: SentenceProtocol,
    device: torch.device,
    precision: str,
) -> Setting:
    splits = build_sentences(config)
    protocol, train_protocol = (each.with_types(splits.train.types) for each in (protocol, train_protocol))
    sampler = Sampler(splits.train, train_protocol, config.seed)
    held_out = Sampler(splits.val, protocol, VALIDATION_SEED)
    tasks = TaskList.draw(held_out, held_out.at_most(config.validation.episodes))
    at_once = config.validation.sentences_per_batch
    validation = SentenceEvaluator(splits.name, "val", held_out, tasks, device, precision, at_once)
    torch.manual_seed(config.seed)
    if isinstance(protocol, Supervised):
        learner = build_tagger(config, protocol)
    else:
        learner = build_learner(config, code_width(protocol, train_protocol))
    if "path" in config.data:  # a user's own
        show_notes(little_known(learner, splits.name, splits.train, splits.val))
    for module in learner.modules():
        if isinstance(module, FrozenEncoder) and isinstance(splits, SentenceSplits):
            module.remember(splits.train)
            module.remember(splits.val)

    def validate() -> dict[str, float]:
        scores = span_scores(validation.tagged(learner).counts.sum(0), protocol.scheme)
        return {name: float(scores[name]) for name in SENTENCE_CURVES if not np.isnan(scores[name])}

    fingerprints = {name: splits.split(name).fingerprint for name in ("train", "val", "test")}
    trained_on = f"{len(splits.train.types)} training types of {splits.name}"
    return Setting(learner, sampler, validation, validate, lambda: None, fingerprints, trained_on)


def _on_sequences(config: DictConfig, task: SequenceTask, train_task: SequenceTask, device: torch.device) -> Setting:
    held_out = Sampler(RandomBits("val"), task, VALIDATION_SEED)
    sampler = Sampler(RandomBits("train"), train_task, config.seed)
    if (train_task.channels, train_task.bits) != (task.channels, task.bits):
        raise ConfigError(
            "train_protocol and protocol differ in the width of their inputs or answers; make them equal."
        )
    tasks = TaskList.draw(held_out, config.validation.episodes)
    validation = SequenceEvaluator(held_out, "val", tasks, device, config.validation.images_per_batch)
    torch.manual_seed(config.seed)
    learner = build_sequence_learner(config, task)

    def validate() -> dict[str, float]:
        return {name: float(values.mean()) for name, values in validation.scores(learner).items()}

    return Setting(learner, sampler, validation, validate, lambda: None, {}, f"sequences of {task.describe()['name']}")
