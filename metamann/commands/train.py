"""`metamann-train`: meta-train a learner on episodes of one data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import nn

from metamann.commands.build import build, build_protocols, plain_config
from metamann.commands.report import report
from metamann.commands.setting import build_setting
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.errors import CheckpointError, ConfigError, check_number
from metamann.evaluation.plots import plot_curves
from metamann.hardware import choose_device, choose_precision
from metamann.training.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from metamann.training.dashboards import Mirrors, TensorBoardDashboard, WandbDashboard
from metamann.training.loop import Interrupted, TrainerConfig, meta_train
from metamann.training.record import Record

# what a resumed run keeps, so that it is the run that was started
FIXED = ("seed", "protocol", "train_protocol", "encoder", "encoder_from", "memory", "learner")
GROUPS = ("data", "protocol", "encoder", "memory", "learner")


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
    check_number("validation.episodes", config.validation.episodes, least=2, whole=True)
    for name in ("images_per_batch", "sentences_per_batch"):
        check_number(f"validation.{name}", config.validation[name], least=1, whole=True)

    trainer: TrainerConfig = build(config.trainer)
    device = choose_device(trainer.device)
    precision = choose_precision(trainer.precision, device)
    protocol, train_protocol = build_protocols(config)
    setting = build_setting(config, protocol, train_protocol, device, precision)
    learner, validation = setting.learner, setting.validation
    if resumed is not None:
        if resumed.fingerprints != setting.fingerprints:
            raise CheckpointError(
                f"the data have changed since {config.resume} was started; resume with the same data."
            )
        resumed.load_into(learner, Path(config.resume))
    elif config.encoder_from:
        _take_encoder(learner, config, setting.fingerprints)
    if OmegaConf.select(config, "encoder_from"):  # runs of earlier versions do not have it
        learner.get_submodule("encoder").requires_grad_(False)

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
                f"{config.resume} was started with {key}={OmegaConf.select(saved, key)}, and a run cannot change it on "
                f"its way. Leave out {key}=, or start a new run."
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
    other = load_checkpoint(path)
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
