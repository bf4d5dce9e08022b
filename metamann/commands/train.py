"""`metamann-train`: meta-train a learner on episodes of one data set."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import nn

from metamann.commands.build import build, build_protocols, plain_config, show_notes
from metamann.commands.directory import (
    check_free,
    check_in_place,
    copy_run,
    remove_run,
    run_of,
    save_settings,
)
from metamann.commands.report import attempt, report
from metamann.commands.setting import build_setting
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.commands.stop import shield
from metamann.commands.trust import open_checkpoint
from metamann.errors import CheckpointError, ConfigError, check_number, excerpt, shorten
from metamann.evaluation.plots import plot_curves
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.hardware import choose_device, choose_precision
from metamann.training.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from metamann.training.dashboards import Mirrors, TensorBoardDashboard, WandbDashboard
from metamann.training.keeping import fault_of
from metamann.training.log import console, progress, run_log
from metamann.training.loop import TrainerConfig
from metamann.training.record import Record
from metamann.training.session import run_session

# what a resumed run keeps, so that it is the run that was started
FIXED = (
    "seed", "protocol", "train_protocol", "encoder", "encoder_from", "memory", "learner",
    "trainer.batch_size",  # step s takes the episodes from s * batch_size on
)  # fmt: skip
SCHEDULE = ("steps", "learning_rate", "warmup_steps")
GROUPS = ("data", "protocol", "encoder", "memory", "learner")


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="train")
@job
def train(config: DictConfig) -> float:
    """Meta-train, keep the best learner by validation, report it on validation episodes.

    Returns:
        Validation accuracy of the best checkpoint, F1 of sentences, for sweepers.
    """
    directory = run_directory()
    overwrite = config.overwrite
    resumed = elsewhere = None
    if config.resume:
        run = run_of(config.resume)
        elsewhere = None if run.resolve() == directory else run
        resumed = open_checkpoint(run / "checkpoints" / "last.pt", config.trust)
        config = _resumed_config(config, resumed)
    begins = resumed is None or elsewhere is not None
    _check_place(directory, begins, overwrite)
    if begins and not overwrite:  # what is here now is replaced once it is sure that the run can begin
        save_settings(directory, config)
    check_number("validation.episodes", config.validation.episodes, least=2, whole=True)
    for name in ("images_per_batch", "sentences_per_batch"):
        check_number(f"validation.{name}", config.validation[name], least=1, whole=True)

    trainer: TrainerConfig = build(config, "trainer")
    if resumed is not None:
        _show_schedule(trainer, resumed)
    device = choose_device(trainer.device)
    precision = choose_precision(trainer.precision, device)
    protocol, train_protocol = build_protocols(config)
    setting = build_setting(config, protocol, train_protocol, device, precision)
    learner, validation = setting.learner, setting.validation
    if resumed is not None:
        _take_up(learner, resumed, config.resume, setting.fingerprints)
    elif config.encoder_from:
        _take_encoder(learner, config, setting.fingerprints)
    if OmegaConf.select(config, "encoder_from"):  # runs of earlier versions do not have it
        learner.get_submodule("encoder").requires_grad_(False)

    if begins and overwrite:
        remove_run(directory)
        save_settings(directory, config)
    elif not begins:
        save_settings(directory, config, f".hydra/resumed_{datetime.now():%Y-%m-%d_%H-%M-%S-%f}")
    if elsewhere is not None:
        copy_run(elsewhere, directory)
        show_notes([f"the run goes on as a copy in {directory}; {elsewhere} stays as it is"])
    plain = {key: value for key, value in plain_config(config).items() if key != "overwrite"}
    mirrors = mirrors_of(config.logger, directory, plain)
    record = Record(directory, mirrors, trainer.steps, trainer.batch_size)
    started = (
        f"{sum(each.numel() for each in learner.parameters()):,} parameters, {setting.trained_on}, {precision} on "
        f"{device}, run directory {directory}"
    )
    checkpoints, identity = directory / "checkpoints", (plain, setting.fingerprints)
    try:
        with console(), run_log(directory):
            progress(started)
            run_session(
                learner, setting.sampler, setting.validate, trainer, record, checkpoints, identity, resumed, shield,
                monitor="f1" if isinstance(validation, SentenceEvaluator) else "accuracy",
            )  # fmt: skip
        check_in_place(directory)
        best = load_checkpoint(checkpoints / "best.pt")
        best.load_into(learner, checkpoints / "best.pt")
        setting.settle()
        check_in_place(directory)
        best._replace(learner=learner.state_dict()).save(checkpoints / "best.pt")
        curves = directory / "plots" / "training.png"
        if attempt(curves, lambda path: plot_curves(path, record.events())):
            mirrors.picture(trainer.steps, "training", curves)
        context = {"checkpoint_step": best.step, "training_seconds": round(record.seconds)}
        metrics = report(directory, learner, validation, context, mirrors)
    finally:
        mirrors.close()
    print_run_directory(directory)
    return metrics["f1" if "f1" in metrics else "accuracy"].mean


def main() -> None:
    """Entry point of `metamann-train`."""
    # what training changes of its protocol are keys of the protocol that is chosen
    run_command(train, open_groups=("train_protocol",))


def _check_place(directory: Path, begins: bool, overwrite: object) -> None:
    """Refuse to begin where a run is, unless it is to be overwritten.

    Raises:
        ConfigError: if there is one, or the run that is gone on with is to be overwritten.
    """
    if not isinstance(overwrite, bool):
        raise ConfigError(f"overwrite={excerpt(overwrite)} must be true or false.")
    if begins and not overwrite:
        check_free(directory)
    elif overwrite and not begins:
        raise ConfigError("resume= goes on with a run and overwrite=true removes it; leave out one of the two.")


def _take_up(learner: nn.Module, resumed: Checkpoint, resume: str, fingerprints: dict[str, str]) -> None:
    """Give the learner the parameters of the run that it goes on with.

    Raises:
        CheckpointError: if the run's data have changed, or its parameters are another learner's or not good.
    """
    if resumed.fingerprints != fingerprints:
        raise CheckpointError(f"the data have changed since {resume} was started; resume with the same data.")
    resumed.load_into(learner, Path(resume))
    fault = fault_of(learner)
    if fault is not None:
        raise CheckpointError(f"{resume} cannot be gone on with, for its parameters blew up: {fault}. Start a new run.")


def _show_schedule(trainer: TrainerConfig, resumed: Checkpoint) -> None:
    """Say what other settings do to the learning rate of the steps that are left.

    Raises:
        ConfigError: if fewer steps are asked for than were done.
    """
    if trainer.steps < resumed.step:
        raise ConfigError(f"trainer.steps={trainer.steps}: the run has done {resumed.step} already; ask for no fewer.")
    saved = resumed.config["trainer"]
    before = dataclasses.replace(trainer, **{name: saved[name] for name in SCHEDULE if name in saved})
    planned, now = before.rate(resumed.step), trainer.rate(resumed.step)
    if trainer.steps > resumed.step and now != planned:
        show_notes([
            f"the learning rate goes on at {now:.3g}, where {planned:.3g} was planned: warm-up and cosine are those of "
            f"a run of {trainer.steps} steps with trainer.learning_rate={trainer.learning_rate:g}"
        ])  # fmt: skip


def _resumed_config(config: DictConfig, resumed: Checkpoint) -> DictConfig:
    """The configuration of the run that is resumed, with what the command line sets on top."""
    saved = OmegaConf.create(resumed.config)
    saved.trust = config.trust  # the user's, never what the file brings along
    OmegaConf.set_struct(saved, True)
    for override in HydraConfig.get().overrides.task:
        key, _, _ = override.lstrip("+~").partition("=")
        if key == "experiment":
            show_notes([f"{override} is not read again: a resumed run keeps its settings, but for those named singly"])
        if key in ("experiment", "overwrite"):
            continue
        value = OmegaConf.select(config, key)
        if OmegaConf.is_dict(value):
            continue  # a group, compared below
        if (key.partition(".")[0] in FIXED or key in FIXED) and value != OmegaConf.select(saved, key):
            raise CheckpointError(
                f"{config.resume} was started with {key}={shorten(OmegaConf.select(saved, key), 100)}, and a run "
                f"cannot change it on its way. Leave out {key}=, or start a new run."
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


def _take_encoder(learner: nn.Module, config: DictConfig, fingerprints: dict[str, str]) -> None:
    """Give a learner the encoder of another run, one of the same data: it may have seen no class of a test.

    Raises:
        ConfigError: if the learner is a gradient-based one, or of sequences, and has no encoder of its own.
        CheckpointError: if there is no such run, it was trained on other data, or its encoder is another one.
    """
    if not isinstance(getattr(learner, "encoder", None), nn.Module):
        raise ConfigError(
            "encoder_from= is for learners that keep an encoder beside a memory (mann, sentence_mann, tagger); leave "
            "it out with this one."
        )
    path = find_checkpoint(config.encoder_from)
    other = open_checkpoint(path, config.trust)
    if other.fingerprints != fingerprints:
        raise CheckpointError(
            f"{path} was trained on other data, whose classes may be among those of testing here; take an encoder "
            "that was trained with the same data=."
        )
    # not all settings show in the shapes of parameters
    ours, theirs = plain_config(config.encoder), other.config["encoder"]
    differing = [f"encoder.{key}={theirs[key]}" for key in theirs if key in ours and ours[key] != theirs[key]]
    if differing:
        raise CheckpointError(f"{path} has another encoder; set {' '.join(differing)} to take it.")
    other.load_encoder_into(learner, path)


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
