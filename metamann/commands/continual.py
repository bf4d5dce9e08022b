"""`metamann-continual`: classes arrive task after task; what is kept of the old ones?"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import hydra
import numpy as np
import torch
from omegaconf import DictConfig

from metamann.application.origin import origin
from metamann.commands.build import classes_for, show_notes
from metamann.commands.capacity import capacity_notes
from metamann.commands.contestants import check_same_tasks, contestants, name_of, named_learner
from metamann.commands.directory import results_directory
from metamann.commands.reopen import Run, kind_of, reopen
from metamann.commands.report import attempt
from metamann.commands.shell import command_line, job, print_run_directory, run_command, run_directory
from metamann.data.plain_files import write_json, write_text
from metamann.episodes.episode import Episode
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.sampler import SentenceSampler
from metamann.episodes.sentences.tasks import SentenceTaskList
from metamann.episodes.tasks import TaskList
from metamann.errors import ConfigError, check_number
from metamann.evaluation.continual import accuracy_matrix, continual_scores, f1_matrix, first_task_curve
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import mean_interval
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.hardware import autocast, choose_device, choose_precision
from metamann.reports.plots import plot_accuracy_matrices, plot_forgetting

MEASURES = ("average_accuracy", "backward_transfer", "forgetting", "forgetting_avalanche")


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="continual")
@job
def continual(config: DictConfig) -> float:
    """Teach every run the same sequences of tasks, and write `continual.md`, `continual.json` and plots.

    Returns:
        Average accuracy of the first run.
    """
    directory = results_directory(run_directory(), config)
    for name, least in (("sequences", 2), ("tasks", 2), ("classes", 1), ("shots", 1), ("queries", 1)):
        check_number(name, config[name], least=least, whole=True)
    wanted = contestants(config.runs)
    if not wanted:
        raise ConfigError("runs= needs a run or more: runs=[RUN,RUN:linear_head].")
    matrices: dict[str, np.ndarray] = {}
    first: Evaluator | SentenceEvaluator | None = None
    for number, (where, learner_name) in enumerate(wanted, 1):
        print(f"{number}/{len(wanted)}  {where}", file=sys.stderr, flush=True)
        run = reopen(where, config, None if learner_name is None else named_learner(learner_name))
        evaluator = _evaluator(config, run)
        if first is None:
            first = evaluator
        check_same_tasks(first, evaluator, wanted[0][0], where)
        name = learner_name or name_of(run.config)
        if name in matrices:
            raise ConfigError(f"two runs are called {name}; give runs that differ in their learner.")
        learner = run.learner(evaluator.protocol)
        show_notes(capacity_notes(learner, evaluator.sampler))
        matrices[name] = _matrices(learner, evaluator, config.tasks)
    assert first is not None
    scores = {name: continual_scores(each) for name, each in matrices.items()}
    lines = ["| learner | " + " | ".join(f"{measure}, %" for measure in MEASURES) + " |", "| --- " * 5 + "|"]
    record: dict[str, Any] = {
        "protocol": {**first.describe(), "tasks": config.tasks, "classes_of_a_task": config.classes},
        "episodes": config.sequences,
        "seed": config.seed,
        "tasks_sha256": first.tasks.hash,
        **origin(command_line()),
        "learners": {},
    }
    for name, found in scores.items():
        intervals = {measure: mean_interval(found[measure], lowest=-1.0) for measure in MEASURES}
        cells = [f"{100 * each.mean:.2f} ± {50 * (each.high - each.low):.2f}" for each in intervals.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        record["learners"][name] = {
            **{measure: interval._asdict() for measure, interval in intervals.items()},
            "first_task": first_task_curve(matrices[name]).tolist(),
        }
    table = "\n".join(lines) + "\n"
    write_text(directory / "continual.md", table)
    write_json(directory / "continual.json", record)
    title = (
        f"{first.data} {first.split}: {config.tasks} tasks of {config.classes} classes, {config.shots} shots, "
        f"{config.sequences} sequences"
    )
    print(f"{title}:\n{table}", end="", flush=True)
    curves = {name: first_task_curve(each) for name, each in matrices.items()}
    measure = "F1" if isinstance(first, SentenceEvaluator) else "accuracy"
    means = {name: each.mean(0) for name, each in matrices.items()}
    plots = directory / "plots"
    attempt(plots / "forgetting.png", lambda path: plot_forgetting(path, curves, config.classes, title, measure))
    attempt(plots / "matrices.png", lambda path: plot_accuracy_matrices(path, means, title))
    print_run_directory(directory)
    return float(next(iter(scores.values()))["average_accuracy"].mean())


def _evaluator(config: DictConfig, run: Run) -> Evaluator | SentenceEvaluator:
    """The sequences: episodes of all classes at once, whose class numbers say which task a class belongs to."""
    splits: Any = run.splits()
    run.check_unchanged(splits, config.split)
    protocol: Any = run.protocol
    ways = config.tasks * config.classes
    device = choose_device(config.device)
    shared = {"data": splits.name, "split": config.split, "device": device}
    precision = choose_precision(config.precision, device)
    if isinstance(protocol, GreedySentences):
        many = dataclasses.replace(protocol, ways=ways, shots=config.shots, queries=config.queries, empty_sentences=0)
        sentences = SentenceSampler(splits.split(config.split), many, config.seed)
        drawn = SentenceTaskList.draw(sentences, config.sequences)
        return SentenceEvaluator(
            sampler=sentences, tasks=drawn, precision=precision, sentences_per_batch=config.images_per_batch, **shared
        )
    if kind_of(protocol) != "images":
        raise ConfigError(
            f"{run.path} was trained on {protocol.describe()['name']}; tasks are classes of images, or types "
            "of entities with protocol=greedy_sentences."
        )
    all_classes = NWayKShot(ways, config.shots, config.queries, codes=protocol.codes)
    sampler = Sampler(classes_for(all_classes, splits, config.split), all_classes, config.seed)
    return Evaluator(
        sampler=sampler,
        tasks=TaskList.draw(sampler, config.sequences),
        precision=precision,
        images_per_batch=config.images_per_batch,
        **shared,
    )


def _matrices(learner: Any, evaluator: Evaluator | SentenceEvaluator, tasks: int) -> np.ndarray:
    """R of every sequence, `sequences x tasks x tasks`."""
    found = []
    if isinstance(evaluator, SentenceEvaluator):
        learner.to(evaluator.device).eval()
        for number in range(len(evaluator.tasks)):
            episode = evaluator.sampler.batch([number]).to(evaluator.device)
            with autocast(evaluator.device, evaluator.precision):
                found.append(f1_matrix(learner, episode, tasks, evaluator.scheme))
        return torch.cat(found).numpy()
    rows = evaluator.encode(learner)
    for batch in evaluator.tasks.batches(evaluator.sampler, 1, rows):
        assert isinstance(batch, Episode)
        with autocast(evaluator.device, evaluator.precision):
            found.append(accuracy_matrix(learner, batch.to(evaluator.device), tasks))
    return torch.cat(found).numpy()


def main() -> None:
    """Entry point of `metamann-continual`."""
    run_command(continual, open_groups=("data", "protocol", "learner"))


if __name__ == "__main__":
    main()
