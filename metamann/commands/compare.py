"""`metamann-compare`: trained learners on one task list, with paired differences."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import hydra
import numpy as np
import torch
from omegaconf import DictConfig

from metamann.application.origin import origin
from metamann.commands.build import show_notes
from metamann.commands.capacity import capacity_notes
from metamann.commands.contestants import (
    AnyEvaluator,
    check_same_tasks,
    contestants,
    name_of,
    named_learner,
    told_apart,
)
from metamann.commands.directory import results_directory
from metamann.commands.evaluate import dealer_of, evaluator_of, vocabulary_notes
from metamann.commands.own_files import own_files
from metamann.commands.reopen import Run, reopen
from metamann.commands.report import attempt
from metamann.commands.shell import command_line, job, print_run_directory, run_command, run_directory
from metamann.data.plain_files import write_json, write_text
from metamann.episodes.episode import Episode
from metamann.errors import ConfigError, check_number, excerpt
from metamann.evaluation.comparison import Contestant, compare
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.evaluation.spans import COUNTED
from metamann.hardware import autocast
from metamann.reports.comparison_tables import as_record, cells, csv, latex, markdown
from metamann.reports.plots import plot_comparison
from metamann.training.checkpoint import Checkpoint, load_checkpoint

TIMED = 20  # episodes, one at a time


class Judged(NamedTuple):
    """One run, evaluated.

    Attributes:
        name: of its learner.
        training: the configuration it was trained with.
        right: `episodes`, see `Contestant`.
        asked: `episodes`.
        facts: what belongs into its row.
    """

    name: str
    training: dict[str, Any]
    right: np.ndarray
    asked: np.ndarray
    facts: dict[str, float]


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="compare")
@job
def compare_runs(config: DictConfig) -> float:
    """Evaluate all runs on one task list, and write `comparison.md`, `.csv`, `.tex`, `.json` and a plot.

    Returns:
        Score of the first learner.
    """
    directory = results_directory(run_directory(), config)
    check_number("episodes", config.episodes, least=2, whole=True)
    wanted = contestants(config.runs)
    if len(wanted) < 2:
        raise ConfigError("runs= needs two runs or more: runs=[RUN,RUN], or the directory of a sweep.")
    own = own_files(config)
    judged: list[Judged] = []
    said: set[str] = set()  # runs share their encoder as a rule
    first: AnyEvaluator | None = None
    for number, (where, learner) in enumerate(wanted, 1):
        print(f"{number}/{len(wanted)}  {where}", file=sys.stderr, flush=True)
        run = reopen(where, config, None if learner is None else named_learner(learner))
        evaluator = evaluator_of(config, run, own)
        _check_labelled(evaluator, config.query)
        if first is None:
            first = evaluator
            evaluator.tasks.save(directory / "tasks.npz")
        check_same_tasks(first, evaluator, wanted[0][0], where)
        fitted = run.learner(evaluator.protocol)
        found = (*vocabulary_notes(config, run, evaluator, fitted), *capacity_notes(fitted, dealer_of(evaluator)))
        notes = [note for note in found if note not in said]
        show_notes(notes)
        said.update(notes)
        judged.append(_judged(run, evaluator, fitted, learner, config.metric))
    assert first is not None
    rows = compare(_by_learner(judged))
    metric = config.metric or ("f1" if isinstance(first, SentenceEvaluator) else "accuracy")
    head, body = cells(rows, metric)
    for name, text in (("md", markdown), ("csv", csv), ("tex", latex)):
        write_text(directory / f"comparison.{name}", text(head, body))
    record = {
        "protocol": first.describe(),
        "episodes": len(first.tasks),
        "seed": config.seed,
        "tasks_sha256": first.tasks.hash,
        "metric": metric,
        **origin(command_line()),
        "learners": [as_record(row) for row in rows],
    }
    write_json(directory / "comparison.json", record)
    title = first.title
    print(f"{title}, differences to {rows[0].name}:")
    print(markdown(head, body), end="", flush=True)
    attempt(directory / "plots" / "comparison.png", lambda path: plot_comparison(path, rows, metric, title))
    print_run_directory(directory)
    return rows[0].score.mean


def _check_labelled(evaluator: AnyEvaluator, query: str | None) -> None:
    if isinstance(evaluator, SentenceEvaluator) and not evaluator.labelled:
        raise ConfigError(
            f"query={excerpt(query)} has no labels, so learners cannot be compared on it; give a labelled query=, or "
            "have it tagged by metamann-evaluate."
        )


def _judged(run: Run, evaluator: AnyEvaluator, learner: Any, learner_name: str | None, metric: str | None) -> Judged:
    if isinstance(evaluator, SentenceEvaluator):
        if metric not in (None, "f1"):
            raise ConfigError(f"metric={metric}: sentences are compared by f1 of all entities; leave out metric=.")
        counts = dict(zip(COUNTED, evaluator.tagged(learner).counts.T, strict=True))
        right, asked = 2.0 * counts["correct"], counts["gold"] + counts["predicted"]
    else:
        scores = evaluator.scores(learner)
        name = metric or "accuracy"
        if name not in scores:
            raise ConfigError(f"metric={name} is not measured here; choose one of {', '.join(sorted(scores))}.")
        asked = (~np.isnan(scores[name])).astype(float)
        right = np.nan_to_num(scores[name])
    end = _end_of_training(run)
    facts: dict[str, float] = {
        "parameters": sum(each.numel() for each in learner.parameters()),
        "training episodes": end.step * run.config.trainer.batch_size,
        "training seconds": round(end.seconds),
        **_timed(learner, evaluator),
    }
    return Judged(learner_name or name_of(run.config), run.checkpoint.config, right, asked, facts)


def _end_of_training(run: Run) -> Checkpoint:
    """What the run had seen when it ended: its best checkpoint may be of an early step."""
    last = run.path.with_name("last.pt")
    return load_checkpoint(last) if last.is_file() else run.checkpoint


def _timed(learner: Any, evaluator: AnyEvaluator) -> dict[str, float]:
    """Milliseconds to adapt to an episode and to answer it, encoder included; of a stream only the latter."""
    if isinstance(evaluator, SequenceEvaluator):
        return {}
    adapting: list[float] = []
    answering: list[float] = []
    learner.eval()
    with torch.no_grad(), autocast(evaluator.device, evaluator.precision):
        for number in range(min(TIMED, len(evaluator.tasks))):
            batch: Any = evaluator.sampler.batch([number]).to(evaluator.device)
            started = _now(evaluator.device)
            if isinstance(batch, Episode):
                state = learner.adapt(batch.support, batch.classes)
                adapted = _now(evaluator.device)
                learner.answer(state, batch.query.inputs)
                adapting.append(adapted - started)
                answering.append(_now(evaluator.device) - adapted)
            else:
                learner.stream(batch)
                answering.append(_now(evaluator.device) - started)
    spent = {"ms to adapt": adapting, "ms to answer": answering}
    return {name: round(1000 * float(np.median(each)), 2) for name, each in spent.items() if each}


def _now(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _by_learner(judged: Sequence[Judged]) -> list[Contestant]:
    """Runs that differ in their seed alone are one contestant."""
    names = told_apart([each.name for each in judged], [each.training for each in judged])
    found = []
    for name in dict.fromkeys(names):
        runs = [each for each, theirs in zip(judged, names, strict=True) if theirs == name]
        seeds = tuple(int(each.training["seed"]) for each in runs)
        if len(set(seeds)) < len(seeds):
            raise ConfigError(
                f"two runs of {name} have one training seed and the same settings: each is to be named once."
            )
        facts = {fact: float(np.mean([each.facts[fact] for each in runs])) for fact in runs[0].facts}
        right, asked = (np.stack([getattr(each, part) for each in runs]) for part in ("right", "asked"))
        found.append(Contestant(name, seeds, right, asked, facts))
    return found


def main() -> None:
    """Entry point of `metamann-compare`."""
    run_command(compare_runs, open_groups=("data", "protocol", "learner"))


if __name__ == "__main__":
    main()
