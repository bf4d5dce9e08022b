"""`metamann-train`: meta-train a learner on episodes of one data set."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from metamann.commands.build import (
    build,
    build_data,
    build_learner,
    build_protocols,
    build_sentences,
    build_sequence_learner,
    build_tagger,
    code_width,
    plain_config,
)
from metamann.commands.report import report
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.data.sentences import SentenceSplits
from metamann.encoders.frozen import FrozenEncoder
from metamann.episodes.algorithmic import SequenceTask
from metamann.episodes.protocols import EpisodeProtocol, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentence_protocols import SentenceProtocol
from metamann.episodes.sentence_sampler import SentenceSampler
from metamann.episodes.sentence_tasks import SentenceTaskList
from metamann.episodes.sequences import SequenceList, SequenceSampler
from metamann.episodes.supervised import Supervised
from metamann.episodes.tasks import TaskList
from metamann.errors import CheckpointError, ConfigError, check_number
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import mean_interval
from metamann.evaluation.plots import plot_curves
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.evaluation.spans import span_scores
from metamann.hardware import choose_device, choose_precision
from metamann.learners.mann import MANN
from metamann.training.calibration import calibrate
from metamann.training.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from metamann.training.dashboards import Mirrors, TensorBoardDashboard, WandbDashboard
from metamann.training.loop import Interrupted, TrainerConfig, meta_train
from metamann.training.record import Record

VALIDATION_SEED = 0
SETTLED_ON = 5  # times the episodes of a validation
VALIDATION_CURVES = ("accuracy", "accuracy/instance_1", "accuracy/instance_2", "accuracy/instance_10")
SENTENCE_CURVES = ("f1", "precision", "recall", "span_f1", "typing_accuracy")
# what a resumed run keeps, so that it is the run that was started
FIXED = ("seed", "protocol", "train_protocol", "encoder", "memory", "learner")
GROUPS = ("data", "protocol", "encoder", "memory", "learner")


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
    sampler: Sampler | SentenceSampler | SequenceSampler
    validation: Evaluator | SentenceEvaluator | SequenceEvaluator
    validate: Callable[[], dict[str, float]]
    settle: Callable[[], None]
    fingerprints: dict[str, str]
    trained_on: str


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="train")
@job
def train(config: DictConfig) -> float:
    """Meta-train, keep the best learner by validation, report it on validation episodes.

    Returns:
        Validation accuracy of the best checkpoint, F1 of sentences, for sweepers.
    """
    directory = run_directory()
    resumed = None
    if config.resume:
        resumed = load_checkpoint(find_checkpoint(config.resume, "last.pt"))
        config = _resumed_config(config, resumed)
    check_number("seed", config.seed, least=0, whole=True)
    check_number("validation.episodes", config.validation.episodes, least=2, whole=True)
    for name in ("images_per_batch", "sentences_per_batch"):
        check_number(f"validation.{name}", config.validation[name], least=1, whole=True)

    trainer: TrainerConfig = build(config.trainer)
    device = choose_device(trainer.device)
    precision = choose_precision(trainer.precision, device)
    protocol, train_protocol = build_protocols(config)
    if isinstance(protocol, SequenceTask) and isinstance(train_protocol, SequenceTask):
        setting = _on_sequences(config, protocol, train_protocol, device)
    elif isinstance(protocol, SentenceProtocol) and isinstance(train_protocol, SentenceProtocol):
        setting = _on_sentences(config, protocol, train_protocol, device, precision)
    elif isinstance(protocol, SequenceTask | SentenceProtocol) or isinstance(
        train_protocol, SequenceTask | SentenceProtocol
    ):
        raise ConfigError(
            "protocol and train_protocol must deal both images, sentences or sequences; choose two alike."
        )
    else:
        setting = _on_episodes(config, protocol, train_protocol, device, precision)
    learner, validation = setting.learner, setting.validation
    if resumed is not None:
        if resumed.fingerprints != setting.fingerprints:
            raise CheckpointError(
                f"the data have changed since {config.resume} was started; resume with the same data."
            )
        resumed.load_into(learner, Path(config.resume))

    plain = plain_config(config)
    mirrors = mirrors_of(config.logger, directory, plain)
    record = Record(directory, mirrors, trainer.steps, trainer.batch_size)
    record.note(
        f"{sum(each.numel() for each in learner.parameters()):,} parameters, {setting.trained_on}, {precision} on "
        f"{device}, run directory {directory}"
    )
    checkpoints, identity = directory / "checkpoints", (plain, setting.fingerprints)
    try:
        meta_train(learner, setting.sampler, setting.validate, trainer, record, checkpoints, identity, resumed)
        best = load_checkpoint(checkpoints / "best.pt")
        best.load_into(learner, checkpoints / "best.pt")
        setting.settle()
        best._replace(learner=learner.state_dict()).save(checkpoints / "best.pt")
        curves = directory / "plots" / "training.png"
        plot_curves(curves, [json.loads(line) for line in record.path.read_text().splitlines()])
        mirrors.picture(trainer.steps, "training", curves)
        context = {"checkpoint_step": best.step, "training_seconds": round(record.seconds)}
        metrics = report(directory, learner, validation, context, mirrors)
    except Interrupted as stopped:
        print(f"stopped by signal {stopped}; go on with: metamann-train resume={directory}", file=sys.stderr)
        print_run_directory(directory)
        sys.exit(128 + int(stopped.args[0]))
    finally:
        mirrors.close()
    print_run_directory(directory)
    return metrics["f1" if "f1" in metrics else "accuracy"].mean


def main() -> None:
    """Entry point of `metamann-train`."""
    # what training changes of its protocol are keys of the protocol that is chosen
    run_command(train, open_groups=("train_protocol",))


def _on_episodes(
    config: DictConfig,
    protocol: EpisodeProtocol,
    train_protocol: EpisodeProtocol,
    device: torch.device,
    precision: str,
) -> Setting:
    splits = build_data(config)
    sampler = Sampler(splits.train, train_protocol, config.seed)
    held_out = Sampler(splits.val, protocol, VALIDATION_SEED)
    tasks = TaskList.draw(held_out, at_most(config.validation.episodes, held_out))
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
        wanted = at_most(SETTLED_ON * config.validation.episodes, held_out)
        more = validation._replace(tasks=TaskList.draw(held_out, wanted))
        settle_on(more, more.encode(learner))

    fingerprints = {name: splits.split(name).fingerprint for name in ("train", "val", "test")}
    trained_on = f"{splits.train.n_classes} training classes of {splits.name}"
    return Setting(learner, sampler, validation, validate, settle, fingerprints, trained_on)


def _on_sentences(
    config: DictConfig,
    protocol: SentenceProtocol,
    train_protocol: SentenceProtocol,
    device: torch.device,
    precision: str,
) -> Setting:
    splits = build_sentences(config)
    protocol, train_protocol = (with_types(each, splits.train.types) for each in (protocol, train_protocol))
    sampler = SentenceSampler(splits.train, train_protocol, config.seed)
    held_out = SentenceSampler(splits.val, protocol, VALIDATION_SEED)
    tasks = SentenceTaskList.draw(held_out, at_most(config.validation.episodes, held_out))
    at_once = config.validation.sentences_per_batch
    validation = SentenceEvaluator(splits.name, "val", held_out, tasks, device, precision, at_once)
    torch.manual_seed(config.seed)
    if isinstance(protocol, Supervised):
        learner = build_tagger(config, protocol)
    else:
        learner = build_learner(config, code_width(protocol, train_protocol))
    for module in learner.modules():
        if isinstance(module, FrozenEncoder) and isinstance(splits, SentenceSplits):
            module.remember(splits.train)
            module.remember(splits.val)

    for note in splits.notes if isinstance(splits, SentenceSplits) else ():
        print(note, file=sys.stderr, flush=True)

    def validate() -> dict[str, float]:
        scores = span_scores(validation.tagged(learner).counts.sum(0), protocol.scheme)
        return {name: float(scores[name]) for name in SENTENCE_CURVES if not np.isnan(scores[name])}

    fingerprints = {name: splits.split(name).fingerprint for name in ("train", "val", "test")}
    trained_on = f"{len(splits.train.types)} training types of {splits.name}"
    return Setting(learner, sampler, validation, validate, lambda: None, fingerprints, trained_on)


def at_most(episodes: int, sampler: Sampler | SentenceSampler) -> int:
    """As many episodes as are asked for, or as there are."""
    available = sampler.n_episodes
    return episodes if available is None else min(episodes, available)


def with_types(protocol: SentenceProtocol, types: Sequence[str]) -> SentenceProtocol:
    """A supervised protocol tags the types of the training part, unless it says which."""
    if isinstance(protocol, Supervised) and protocol.types is None:
        return dataclasses.replace(protocol, types=tuple(types))
    return protocol


def _on_sequences(config: DictConfig, task: SequenceTask, train_task: SequenceTask, device: torch.device) -> Setting:
    if (train_task.channels, train_task.bits) != (task.channels, task.bits):
        raise ConfigError(
            "train_protocol and protocol differ in the width of their inputs or answers; make them equal."
        )
    sampler = SequenceSampler(train_task, "train", config.seed)
    tasks = SequenceList.draw(SequenceSampler(task, "val", VALIDATION_SEED), config.validation.episodes)
    validation = SequenceEvaluator(task, "val", tasks, device, config.validation.images_per_batch)
    torch.manual_seed(config.seed)
    learner = build_sequence_learner(config, task)

    def validate() -> dict[str, float]:
        return {name: float(values.mean()) for name, values in validation.scores(learner).items()}

    return Setting(learner, sampler, validation, validate, lambda: None, {}, f"sequences of {task.describe()['name']}")


def _resumed_config(config: DictConfig, resumed: Checkpoint) -> DictConfig:
    """The configuration of the run that is resumed, with what the command line sets on top."""
    saved = OmegaConf.create(resumed.config)
    saved.trust = config.trust  # the user's, never what the file brings along
    OmegaConf.set_struct(saved, True)
    for override in HydraConfig.get().overrides.task:
        key, _, _ = override.lstrip("+~").partition("=")
        if key == "experiment":
            continue
        value = OmegaConf.select(config, key)
        if OmegaConf.is_dict(value):
            continue  # a group, compared below
        if key.partition(".")[0] in FIXED and value != OmegaConf.select(saved, key):
            raise CheckpointError(
                f"{config.resume} was started with {key}={OmegaConf.select(saved, key)}, and a run cannot change it to "
                f"{value} on its way. Leave out {key}=, or start a new run without resume=."
            )
        OmegaConf.update(saved, key, value)
    named = [override.partition("=")[0] for override in HydraConfig.get().overrides.task]
    for group in GROUPS:
        new, old = (OmegaConf.select(each, f"{group}._target_") for each in (config, saved))
        if (group in named or "experiment" in named) and new != old:
            raise CheckpointError(
                f"{config.resume} holds a run with {group} {old}, not {new}: a run cannot change "
                f"its {group}. Leave out {group}=, or start a new run without resume=."
            )
    return saved


def mirrors_of(logger: DictConfig, directory: Path, plain: dict[str, Any]) -> Mirrors:
    """The dashboards that a configuration asks for."""
    makers: dict[str, Any] = {}
    if logger.wandb:
        makers["wandb"] = lambda: WandbDashboard(directory, plain, logger.project)
    if logger.tensorboard:
        makers["tensorboard"] = lambda: TensorBoardDashboard(directory)
    return Mirrors(makers)


if __name__ == "__main__":
    main()
