"""`metamann-evaluate`: a trained learner on classes it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from metamann.commands.build import (
    build_data,
    build_learner,
    build_protocols,
    build_sentences,
    build_sequence_learner,
    build_tagger,
    code_width,
    plain_config,
    update,
)
from metamann.commands.report import report
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.commands.train import at_most, mirrors_of, with_types
from metamann.data.fixed_episodes import FixedEpisodeSplits
from metamann.data.own_task import own_task
from metamann.data.sentences import SentenceSplits
from metamann.episodes.algorithmic import SequenceTask
from metamann.episodes.fixed_sentences import FixedSentences
from metamann.episodes.protocols import EpisodeProtocol
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentence_protocols import SentenceProtocol
from metamann.episodes.sentence_sampler import SentenceSampler
from metamann.episodes.sentence_tasks import SentenceTaskList
from metamann.episodes.sequences import SequenceList, SequenceSampler
from metamann.episodes.supervised import Supervised
from metamann.episodes.tasks import TaskList
from metamann.errors import CheckpointError, ConfigError, check_number
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.hardware import choose_device, choose_precision
from metamann.training.checkpoint import Checkpoint, find_checkpoint, load_checkpoint


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="evaluate")
@job
def evaluate(config: DictConfig) -> float:
    """Evaluate a checkpoint on a fixed list of episodes; the run's own protocol and data unless overridden.

    Returns:
        Accuracy, F1 of sentences, for sweepers.
    """
    directory = run_directory()
    check_number("seed", config.seed, least=0, whole=True)
    check_number("episodes", config.episodes, least=2, whole=True)
    for name in ("images_per_batch", "sentences_per_batch"):
        check_number(name, config[name], least=1, whole=True)
    path = find_checkpoint(config.checkpoint)
    checkpoint = load_checkpoint(path)
    trained = OmegaConf.create(checkpoint.config)
    trained.trust = config.trust  # the user's, never what the file brings along
    before = build_protocols(trained)
    if config.get("data") and "data" not in trained:
        raise ConfigError(f"{path} was trained on sequences, which have no data; leave out data=.")
    for group in ("data", "protocol", "learner"):
        changes = config.get(group)
        if HydraConfig.get().runtime.choices.get(group) is not None:
            trained[group] = changes
        elif changes:
            trained[group] = update(trained[group], changes, group)
    trained.train_protocol = {}
    protocol, _ = build_protocols(trained)
    if kind_of(protocol) != kind_of(before[0]):
        raise ConfigError(
            f"{path} was trained on {before[0].describe()['name']}, and its learner cannot take up "
            f"{protocol.describe()['name']}; leave out protocol=, or choose one of the same kind."
        )
    if config.support or config.query:
        if not (config.support and config.query):
            raise ConfigError("support= and query= go together: the file to learn from, and the one to tag.")
        if kind_of(protocol) != "sentences" or config.split != "test":
            raise ConfigError(
                f"support= and query= are one few-shot task of sentences for split=test, but {path} was trained on "
                f"{kind_of(protocol)}; give a checkpoint of a few-shot tagger, such as experiment=records_5way_1shot."
            )

    device = choose_device(config.device)
    learner: Any
    evaluator: Evaluator | SentenceEvaluator | SequenceEvaluator
    if isinstance(protocol, SequenceTask):
        learner = build_sequence_learner(trained, protocol)
        evaluator = _on_sequences(config, protocol, device)
    elif isinstance(protocol, SentenceProtocol):
        evaluator = _on_sentences(config, trained, protocol, checkpoint, device)
        if isinstance(evaluator.sampler.protocol, Supervised):
            learner = build_tagger(trained, evaluator.sampler.protocol)
        else:
            learner = build_learner(trained, code_width(*before))
    else:
        evaluator = _on_episodes(config, trained, protocol, checkpoint, device)
        learner = build_learner(trained, code_width(*before))
    checkpoint.load_into(learner, path)
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
    return metrics["f1" if "f1" in metrics else "accuracy"].mean


def kind_of(protocol: object) -> str:
    """What a protocol deals; a learner takes one kind."""
    if isinstance(protocol, SequenceTask):
        return "sequences"
    if isinstance(protocol, Supervised):
        return "supervised sentences"
    return "sentences" if isinstance(protocol, SentenceProtocol) else "images"


def _on_sentences(
    config: DictConfig,
    trained: DictConfig,
    protocol: SentenceProtocol,
    checkpoint: Checkpoint,
    device: torch.device,
) -> SentenceEvaluator:
    splits: SentenceSplits | FixedEpisodeSplits
    if config.support:
        splits, protocol = own_task(config.support, config.query), FixedSentences(scheme=protocol.scheme)
    else:
        splits = build_sentences(trained)
        protocol = with_types(protocol, splits.train.types)
    store = splits.split(config.split)
    own = not (config.get("data") or config.support)
    if own and checkpoint.fingerprints[config.split] != store.fingerprint:
        raise CheckpointError(
            f"the data of {config.checkpoint} have changed since it was trained: split '{config.split}' of "
            f"{splits.name} has another fingerprint. Restore them, or name the data with data=."
        )
    tasks = SentenceTaskList.load(Path(config.tasks).expanduser()) if config.tasks else None
    sampler = SentenceSampler(store, protocol, config.seed if tasks is None else tasks.seed)
    return SentenceEvaluator(
        data=splits.name,
        split=config.split,
        sampler=sampler,
        tasks=tasks or SentenceTaskList.draw(sampler, at_most(config.episodes, sampler)),
        device=device,
        precision=choose_precision(config.precision, device),
        sentences_per_batch=config.sentences_per_batch,
    )


def _on_episodes(
    config: DictConfig, trained: DictConfig, protocol: EpisodeProtocol, checkpoint: Checkpoint, device: torch.device
) -> Evaluator:
    splits = build_data(trained)
    store = splits.split(config.split)
    if not config.get("data") and checkpoint.fingerprints[config.split] != store.fingerprint:
        raise CheckpointError(
            f"the data of {config.checkpoint} have changed since it was trained: split '{config.split}' of "
            f"{splits.name} has another fingerprint. Restore them, or name the data with data=."
        )
    tasks = TaskList.load(Path(config.tasks).expanduser()) if config.tasks else None
    sampler = Sampler(store, protocol, config.seed if tasks is None else tasks.seed)
    return Evaluator(
        data=splits.name,
        split=config.split,
        sampler=sampler,
        tasks=tasks or TaskList.draw(sampler, at_most(config.episodes, sampler)),
        device=device,
        precision=choose_precision(config.precision, device),
        images_per_batch=config.images_per_batch,
    )


def _on_sequences(config: DictConfig, task: SequenceTask, device: torch.device) -> SequenceEvaluator:
    if config.tasks:
        raise ConfigError(f"tasks={config.tasks}: sequences are drawn from seed= and split=; leave out tasks=.")
    tasks = SequenceList.draw(SequenceSampler(task, config.split, config.seed), config.episodes)
    return SequenceEvaluator(task, config.split, tasks, device, config.images_per_batch)


def main() -> None:
    """Entry point of `metamann-evaluate`."""
    # the keys of the run's own data, protocol and learner are known only once its checkpoint is open
    run_command(evaluate, open_groups=("data", "protocol", "learner"))


if __name__ == "__main__":
    main()
