"""`metamann-train`: meta-train a learner on episodes of one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from metamann.application.caller import Caller
from metamann.application.command_settings import TrainCommand
from metamann.application.resume import resume
from metamann.application.settings import PARTS, plain
from metamann.application.train import train
from metamann.commands.shell import run_command
from metamann.errors import ConfigError

OWN = ("resume", "overwrite", "trust")  # settings that only the command line has


def command(settings: TrainCommand, directory: Path, caller: Caller) -> float:
    """Start or resume a run.

    Returns:
        The main validation score of the best checkpoint, for sweepers.
    """
    if settings.resume is None:
        return train(settings.run(), directory, overwrite=settings.overwrite, caller=caller).score
    if settings.overwrite:
        raise ConfigError("resume= goes on with a run and overwrite=true removes it; leave out one of the two.")
    changes = _named_settings(plain(settings))
    return resume(settings.resume, changes, directory=directory, trust=settings.trust, caller=caller).score


def _named_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of the command line, by their dotted names; an experiment sets all its parts."""
    keys = [override.lstrip("+~").partition("=")[0] for override in HydraConfig.get().overrides.task]
    if "experiment" in keys:
        keys = [*(key for key in keys if key != "experiment"), *PARTS, "train_protocol"]
    config = OmegaConf.create(settings)
    chosen = {key: OmegaConf.select(config, key.partition("@")[0]) for key in keys if key not in OWN}
    if OmegaConf.is_config(chosen.get("data")):  # a choice sets the class; other keys stay those of the run
        chosen["data"] = {"_target_": chosen["data"]["_target_"]}
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value for key, value in chosen.items()
    }


def main() -> None:
    """Entry point of `metamann-train`."""
    # the keys of train_protocol depend on the chosen protocol
    run_command("train", command, open_groups=("train_protocol",))


if __name__ == "__main__":
    main()
