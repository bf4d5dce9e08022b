"""`metamann-evaluate`: a trained learner on classes it has never seen."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from metamann.commands.build import build_data, build_learner, build_protocols, code_width, plain_config, update
from metamann.commands.report import report
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.commands.train import mirrors_of
from metamann.episodes.sampler import Sampler
from metamann.episodes.tasks import TaskList
from metamann.errors import CheckpointError, check_number
from metamann.evaluation.evaluator import Evaluator
from metamann.hardware import choose_device, choose_precision
from metamann.training.checkpoint import find_checkpoint, load_checkpoint


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="evaluate")
@job
def evaluate(config: DictConfig) -> float:
    """Evaluate a checkpoint on a fixed list of episodes; the run's own protocol and data unless overridden.

    Returns:
        Accuracy, for sweepers.
    """
    directory = run_directory()
    check_number("seed", config.seed, least=0, whole=True)
    check_number("episodes", config.episodes, least=2, whole=True)
    check_number("images_per_batch", config.images_per_batch, least=1, whole=True)
    path = find_checkpoint(config.checkpoint)
    checkpoint = load_checkpoint(path)
    trained = OmegaConf.create(checkpoint.config)
    trained.trust = config.trust  # the user's, never what the file brings along
    width = code_width(*build_protocols(trained))
    for group in ("data", "protocol"):
        changes = config.get(group) or {}
        named = HydraConfig.get().runtime.choices.get(group) is not None
        trained[group] = changes if named else update(trained[group], changes, group)
    trained.train_protocol = {}

    splits = build_data(trained)
    protocol, _ = build_protocols(trained)
    store = splits.split(config.split)
    if not config.get("data") and checkpoint.fingerprints[config.split] != store.fingerprint:
        raise CheckpointError(
            f"the data of {path} have changed since it was trained: split '{config.split}' of {splits.name} has "
            "another fingerprint. Restore them, or name the data with data=."
        )
    learner = build_learner(trained, width)
    checkpoint.load_into(learner, path)
    tasks = TaskList.load(Path(config.tasks).expanduser()) if config.tasks else None
    sampler = Sampler(store, protocol, config.seed if tasks is None else tasks.seed)
    device = choose_device(config.device)
    evaluator = Evaluator(
        data=splits.name,
        split=config.split,
        sampler=sampler,
        tasks=tasks or TaskList.draw(sampler, config.episodes),
        device=device,
        precision=choose_precision(config.precision, device),
        images_per_batch=config.images_per_batch,
    )
    context = {
        "checkpoint": str(path),
        "checkpoint_step": checkpoint.step,
        "training_seed": trained.seed,
        "training_seconds": round(checkpoint.seconds),
    }
    mirrors = mirrors_of(config.logger, directory, plain_config(config))
    try:
        metrics = report(directory, learner, evaluator, context, mirrors)
    finally:
        mirrors.close()
    print_run_directory(directory)
    return metrics["accuracy"].mean


def main() -> None:
    """Entry point of `metamann-evaluate`."""
    # the keys of the run's own data and protocol are known only once its checkpoint is open
    run_command(evaluate, open_groups=("data", "protocol"))


if __name__ == "__main__":
    main()
