"""Meta-training of a run, from its settings to its results."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from metamann.application.caller import PYTHON, Caller
from metamann.application.capacity import capacity_notes, check_room
from metamann.application.directory import check_free, check_in_place, remove_run, save_settings
from metamann.application.opening import open_directory
from metamann.application.parts import Parts
from metamann.application.report import attempt, mirrors_of, report
from metamann.application.run import Run
from metamann.application.settings import PARTS, TrainSettings, plain
from metamann.application.trust import open_checkpoint
from metamann.episodes.tasks import TaskList
from metamann.errors import LONGEST_MESSAGE, CheckpointError, ConfigError, EpisodeError, setting, shorten
from metamann.hardware import choose_device, choose_precision
from metamann.modalities.modality import Compute, Modality
from metamann.reports.caption import protocol_name
from metamann.reports.pictures import write_figure
from metamann.reports.plots import plot_curves
from metamann.training.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from metamann.training.log import FILE as LOG_FILE
from metamann.training.log import note, progress
from metamann.training.record import Record
from metamann.training.seeding import seeded
from metamann.training.session import run_session

VALIDATION_SEED = 0
SETTLING_FACTOR = 5  # episodes of `Modality.settle`, in numbers of validation episodes


class Prepared(NamedTuple):
    """A run before its first step.

    Attributes:
        modality: modality of the data.
        learner: new learner, in its adapter if there is one.
        sampler: draws the training episodes.
        held_out: draws the validation episodes.
        validation: evaluator that selects the best learner, and on which it is reported.
        fingerprints: fingerprints of the data splits, by name.
        compute: device, precision and batch sizes.
        settings: settings, completed from the data.
    """

    modality: Modality
    learner: Any
    sampler: Any
    held_out: Any
    validation: Any
    fingerprints: dict[str, str]
    compute: Compute
    settings: TrainSettings


def train(settings: TrainSettings, directory: str | Path, *, overwrite: bool = False, caller: Caller = PYTHON) -> Run:
    """Meta-train a learner, save the best one by validation, and report it on the validation episodes.

    Args:
        settings: of the run; `metamann.settings` composes them.
        directory: the run directory; an earlier run in it is an error unless `overwrite` is true.
        overwrite: replace an earlier run in the directory, after the new one has been prepared without an error.
        caller: `Caller(should_stop=...)` can stop the run.

    Returns:
        The run.

    Raises:
        MetamannError: if settings are not compatible, the data cannot be read, or the training diverges.
        Interrupted: if the caller stops the run, which can be resumed.

    Examples:
        >>> import metamann
        >>> tiny = {"encoder": "pixels", "data.alphabets": [1, 1, 1], "protocol.ways": 2, "protocol.queries": 1}
        >>> tiny |= {"trainer.steps": 2, "validation.episodes": 2, "logger.wandb": False, "logger.tensorboard": False}
        >>> run = train(metamann.settings(protocol="nway", **tiny), "runs/mine")
        >>> run.modality.name, 0 <= run.score <= 1  # the accuracy on validation episodes
        ('images', True)
    """
    with open_directory(directory) as path:
        earlier = (path / LOG_FILE).stat().st_size
        settings = with_encoder_of(settings)
        if not overwrite:
            check_free(path)
            save_settings(path, plain(settings), caller.files, ".hydra")
        prepared = prepare(settings)
        if settings.encoder_from:
            _load_encoder(prepared, settings)
        if overwrite:
            remove_run(path)
            # remove the log of the earlier run; lines of this run are already appended to it
            (path / LOG_FILE).write_bytes((path / LOG_FILE).read_bytes()[earlier:])
            save_settings(path, plain(settings), caller.files, ".hydra")
        return fit(prepared, path, None, caller)


def prepare(settings: TrainSettings) -> Prepared:
    """Read the data and build sampler, learner and evaluator; nothing is written.

    Raises:
        MetamannError: if settings are not compatible, or the data cannot be read.
    """
    trainer, validation = settings.trainer, settings.validation
    device = choose_device(trainer.device, "trainer.device")
    precision = choose_precision(trainer.precision, device, "trainer.precision")
    parts = Parts({name: getattr(settings, name) for name in (*PARTS, "train_protocol")}, settings.trust)
    modality = parts.modality
    protocol, train_protocol = parts.protocols()
    modality.check_alike(protocol, train_protocol)
    splits = parts.data(modality)
    parts = parts._replace(nodes=modality.completed(parts.nodes, splits))
    settings = dataclasses.replace(settings, **parts.nodes)
    protocol, train_protocol = (
        modality.settled(protocol, splits),
        modality.settled(train_protocol, splits),
    )
    try:
        sampler = modality.sampler(splits, "train", train_protocol, settings.seed)
    except EpisodeError as error:
        if not settings.train_protocol:
            raise
        # the message of a protocol names settings of `protocol`
        raise EpisodeError(re.sub(r"\bprotocol\.", "train_protocol.", str(error))) from error
    held_out = modality.sampler(splits, "val", protocol, VALIDATION_SEED)
    compute = Compute(device, precision, validation.images_per_batch, validation.sentences_per_batch)
    tasks = TaskList.draw(held_out, held_out.at_most(validation.episodes))
    evaluator = modality.evaluator(splits.name, "val", held_out, tasks, compute)
    with seeded(settings.seed):
        learner = parts.adapted(modality.learner(parts.build, (protocol, train_protocol), splits))
    if settings.adapter and not learner.trainable:
        raise ConfigError("this adapter is for evaluating: nothing of it is trained; leave out adapter=.")
    if isinstance(settings.data, Mapping) and "path" in settings.data:  # a user's own data
        for line in modality.unknown(learner, splits.name, (splits.train, splits.val)):
            note(line)
    check_room(learner, trainer.batch_size // trainer.accumulate)
    for line in capacity_notes(learner, (*sampler.loads(), *held_out.loads())):
        note(line)
    modality.prepare(learner, splits)
    return Prepared(modality, learner, sampler, held_out, evaluator, modality.fingerprints(splits), compute, settings)


def fit(prepared: Prepared, directory: Path, resumed: Checkpoint | None, caller: Caller) -> Run:
    """Train or resume a prepared run, in an open directory."""
    modality, learner, validation = prepared.modality, prepared.learner, prepared.validation
    settings = prepared.settings
    if settings.encoder_from:
        learner.get_submodule("encoder").requires_grad_(False)
    config = plain(settings)
    mirrors = mirrors_of(settings.logger, directory, config)
    checkpoints = directory / "checkpoints"
    try:
        record = Record(directory, mirrors, settings.trainer.steps, settings.trainer.batch_size)
        progress(
            f"{sum(parameter.numel() for parameter in learner.parameters()):,} parameters, "
            f"{modality.trained_on(prepared.sampler, validation.data)}, {prepared.compute.precision} on "
            f"{prepared.compute.device}, run directory {directory}"
        )
        run_session(
            learner,
            prepared.sampler,
            lambda: modality.validate(learner, validation),
            settings.trainer,
            record,
            checkpoints,
            (config, prepared.fingerprints),
            checkpoint=resumed,
            monitor=modality.monitor,
            should_stop=caller.should_stop,
            shield=caller.shield,
        )
        check_in_place(directory)
        best = load_checkpoint(checkpoints / "best.pt")
        best.load_into(learner, checkpoints / "best.pt")
        more = TaskList.draw(
            prepared.held_out, prepared.held_out.at_most(SETTLING_FACTOR * settings.validation.episodes)
        )
        modality.settle(learner, dataclasses.replace(validation, tasks=more))
        calibration = modality.calibration(learner, validation)
        check_in_place(directory)
        best._replace(learner=learner.state_dict(), calibration=calibration).save(checkpoints / "best.pt")
        curves = directory / "plots" / "training.png"
        if attempt(curves, lambda path: write_figure(path, plot_curves(record.events(), *_captions(prepared)))):
            mirrors.picture(settings.trainer.steps, "training", curves)
        context = {"checkpoint_step": best.step, "training_seconds": round(record.seconds)}
        metrics = report(directory, modality, learner, validation, context, mirrors, caller.line)
    finally:
        mirrors.close()
    return Run(directory, trust=settings.trust, metrics=metrics)


def _captions(prepared: Prepared) -> tuple[str, str, str]:
    """The data set, the training episodes and the validation episodes, each in a few words."""
    trainer, validation = prepared.settings.trainer, prepared.validation
    trained = protocol_name(prepared.sampler.protocol.describe())
    validated = protocol_name(validation.protocol.describe())
    return (
        validation.data,
        f"{trained}, {trainer.steps * trainer.batch_size:,} episodes",
        f"{validated}, {len(validation.tasks):,} episodes",
    )


def _load_encoder(prepared: Prepared, settings: TrainSettings) -> None:
    """Load the encoder of another run, which must have the same data, so that it was trained on no test class.

    Raises:
        ConfigError: if the learner has no separate encoder.
        CheckpointError: if the run does not exist, was trained on other data, or has a different encoder.
    """
    if not isinstance(getattr(prepared.learner, "encoder", None), nn.Module):
        raise ConfigError(
            "encoder_from= is for learners that keep an encoder beside a memory (mann, sentence_mann, tagger); leave "
            "it out with this one."
        )
    path = find_checkpoint(str(settings.encoder_from))
    other = open_checkpoint(path, settings.trust)
    if other.fingerprints != prepared.fingerprints:
        raise CheckpointError(
            f"{path} was trained on other data, whose classes may be among those of testing here; take an encoder "
            "that was trained with the same data=."
        )
    other.load_encoder_into(prepared.learner, path)


def with_encoder_of(settings: TrainSettings) -> TrainSettings:
    """Settings with the encoder of the run `encoder_from`, if it is set.

    Raises:
        CheckpointError: if the run does not exist, or has no encoder.
    """
    if not settings.encoder_from:
        return settings
    path = find_checkpoint(settings.encoder_from)
    encoder = open_checkpoint(path, settings.trust).config.get("encoder")
    if not encoder:
        raise CheckpointError(f"{path} holds no trained encoder beside a memory; take that of another run.")
    other = [
        f"encoder.{key}={setting(value)}"
        for key, value in encoder.items()
        if (settings.encoder or {}).get(key) != value
    ]
    if other:
        note(shorten(f"the encoder and its settings are those of {path}: {', '.join(other)}", LONGEST_MESSAGE))
    return dataclasses.replace(settings, encoder=encoder)
