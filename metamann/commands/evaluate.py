"""`metamann-evaluate`: a trained learner on classes it has never seen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import hydra
import torch
from omegaconf import DictConfig

from metamann.commands.build import build_data, build_sentences, classes_for, plain_config, show_notes
from metamann.commands.capacity import capacity_notes
from metamann.commands.directory import results_directory
from metamann.commands.own_files import own_files
from metamann.commands.reopen import Run, kind_of, reopen
from metamann.commands.report import report
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.commands.train import mirrors_of
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits
from metamann.data.sentences.store import SentenceSplits
from metamann.encoders.vocabulary import little_known
from metamann.episodes.items.protocols import EpisodeProtocol
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.sequences.source import RandomBits
from metamann.episodes.tasks import TaskList, seed_of
from metamann.errors import ConfigError, check_number
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.hardware import choose_device, choose_precision


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="evaluate")
@job
def evaluate(config: DictConfig) -> float:
    """Evaluate a checkpoint on a fixed list of episodes; the run's own protocol and data unless overridden.

    Returns:
        Accuracy, F1 of sentences, for sweepers; NaN where the query has no labels, so that nothing is scored.
    """
    directory = results_directory(run_directory(), config)
    check_number("episodes", config.episodes, least=2, whole=True)
    for name in ("images_per_batch", "sentences_per_batch"):
        check_number(name, config[name], least=1, whole=True)
    run = reopen(config.checkpoint, config)
    evaluator = evaluator_of(config, run, own_files(config))
    learner = run.learner(evaluator.protocol)
    show_notes((*vocabulary_notes(config, run, evaluator, learner), *capacity_notes(learner, evaluator.sampler)))
    mirrors = mirrors_of(config.logger, directory, plain_config(config))
    try:
        metrics = report(directory, learner, evaluator, run.origin(), mirrors)
    finally:
        mirrors.close()
    print_run_directory(directory)
    return metrics["f1" if "f1" in metrics else "accuracy"].mean if metrics else math.nan


def vocabulary_notes(
    config: DictConfig, run: Run, evaluator: Evaluator | SentenceEvaluator | SequenceEvaluator, learner: Any
) -> tuple[str, ...]:
    """What to say of a user's own sentences of which a pretrained encoder knows little, a line each."""
    if not isinstance(evaluator, SentenceEvaluator) or not (config.support or "path" in run.config.data):
        return ()
    return little_known(learner, evaluator.data, evaluator.sampler.store)


def evaluator_of(
    config: DictConfig, run: Run, own: FixedEpisodeSplits | None
) -> Evaluator | SentenceEvaluator | SequenceEvaluator:
    """What a run is evaluated on, by the command's configuration.

    Args:
        config: of the command.
        run: to be evaluated.
        own: the task of a user's own files, see `own_files`.

    Raises:
        ConfigError: if there is such a task, and the run is no few-shot tagger.
    """
    if own is not None and kind_of(run.protocol) != "sentences":
        raise ConfigError(
            f"support= and query= are one few-shot task of sentences, but {run.path} was trained on "
            f"{kind_of(run.protocol)}; give a checkpoint of a few-shot tagger, such as experiment=records_5way_1shot."
        )
    device = choose_device(config.device)
    if isinstance(run.protocol, SequenceTask):
        return _on_sequences(config, run.protocol, device)
    if isinstance(run.protocol, SentenceProtocol):
        return _on_sentences(config, run, run.protocol, own, device)
    return _on_episodes(config, run, run.protocol, device)


def _on_sentences(
    config: DictConfig, run: Run, protocol: SentenceProtocol, own: FixedEpisodeSplits | None, device: torch.device
) -> SentenceEvaluator:
    splits: SentenceSplits | FixedEpisodeSplits
    if own is not None:
        splits, protocol = own, FixedSentences(scheme=protocol.scheme)
    else:
        splits = build_sentences(run.config)
        run.check_unchanged(splits, config.split)
        protocol = protocol.with_types(splits.train.types)
    store = splits.split(config.split)
    sampler, tasks = _tasks(config, store, protocol)
    return SentenceEvaluator(
        data=splits.name,
        split=config.split,
        sampler=sampler,
        tasks=tasks,
        device=device,
        precision=choose_precision(config.precision, device),
        sentences_per_batch=config.sentences_per_batch,
    )


def _on_episodes(config: DictConfig, run: Run, protocol: EpisodeProtocol, device: torch.device) -> Evaluator:
    splits = build_data(run.config)
    run.check_unchanged(splits, config.split)
    sampler, tasks = _tasks(config, classes_for(protocol, splits, config.split), protocol)
    return Evaluator(
        data=splits.name,
        split=config.split,
        sampler=sampler,
        tasks=tasks,
        device=device,
        precision=choose_precision(config.precision, device),
        images_per_batch=config.images_per_batch,
    )


def _on_sequences(config: DictConfig, task: SequenceTask, device: torch.device) -> SequenceEvaluator:
    if config.tasks:
        raise ConfigError(f"tasks={config.tasks}: sequences are drawn from seed= and split=; leave out tasks=.")
    sampler, tasks = _tasks(config, RandomBits(config.split), task)
    return SequenceEvaluator(sampler, config.split, tasks, device, config.images_per_batch)


def _tasks(config: DictConfig, store: Any, protocol: Any) -> tuple[Sampler, TaskList]:
    """The episodes of the file that is given, or fresh ones."""
    if not config.tasks:
        sampler = Sampler(store, protocol, config.seed)
        return sampler, TaskList.draw(sampler, sampler.at_most(config.episodes))
    path = Path(config.tasks).expanduser()
    sampler = Sampler(store, protocol, seed_of(path))
    return sampler, TaskList.load(path, sampler)


def main() -> None:
    """Entry point of `metamann-evaluate`."""
    # the keys of the run's own data, protocol and learner are known only once its checkpoint is open
    run_command(evaluate, open_groups=("data", "protocol", "learner"))


if __name__ == "__main__":
    main()
