"""`metamann-compare`: trained learners on one task list, with paired differences."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import hydra
import numpy as np
import torch
from omegaconf import DictConfig

from metamann.commands.contestants import contestants, name_of, named_learner
from metamann.commands.evaluate import evaluator_of
from metamann.commands.origin import origin
from metamann.commands.reopen import Run, reopen
from metamann.commands.shell import job, print_run_directory, run_command, run_directory
from metamann.data.cache import write_atomically
from metamann.episodes.episode import Episode
from metamann.errors import ConfigError, check_number
from metamann.evaluation.comparison import Contestant, as_record, cells, compare, csv, latex, markdown
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.plots import plot_comparison
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.evaluation.spans import COUNTED
from metamann.hardware import autocast

TIMED = 20  # episodes, one at a time

AnyEvaluator = Evaluator | SentenceEvaluator | SequenceEvaluator


class Judged(NamedTuple):
    """One run, evaluated.

    Attributes:
        name: of its learner.
        seed: of its training.
        right: `episodes`, see `Contestant`.
        asked: `episodes`.
        facts: what belongs into its row.
    """

    name: str
    seed: int
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
    directory = run_directory()
    check_number("seed", config.seed, least=0, whole=True)
    check_number("episodes", config.episodes, least=2, whole=True)
    wanted = contestants(config.runs)
    if len(wanted) < 2:
        raise ConfigError("runs= needs two runs or more: runs=[RUN,RUN], or the directory of a sweep.")
    judged: list[Judged] = []
    first: AnyEvaluator | None = None
    for number, (where, learner) in enumerate(wanted, 1):
        print(f"{number}/{len(wanted)}  {where}", file=sys.stderr, flush=True)
        run = reopen(where, config, None if learner is None else named_learner(learner))
        evaluator = evaluator_of(config, run)
        if first is None:
            first = evaluator
            evaluator.tasks.save(directory / "tasks.npz")
        _check_same(first, evaluator, wanted[0][0], where)
        judged.append(_judged(run, evaluator, learner, config.metric))
    assert first is not None
    rows = compare(_by_learner(judged))
    metric = config.metric or ("f1" if isinstance(first, SentenceEvaluator) else "accuracy")
    head, body = cells(rows, metric)
    for name, text in (("md", markdown), ("csv", csv), ("tex", latex)):
        write_atomically(directory / f"comparison.{name}", text(head, body).encode())
    record = {
        "protocol": first.describe(),
        "episodes": len(first.tasks),
        "seed": config.seed,
        "tasks_sha256": first.tasks.hash,
        "metric": metric,
        **origin(),
        "learners": [as_record(row) for row in rows],
    }
    write_atomically(directory / "comparison.json", (json.dumps(record, indent=2) + "\n").encode())
    plot_comparison(directory / "plots" / "comparison.png", rows, metric, first.title)
    print(f"{first.title}, differences to {rows[0].name}:")
    print(markdown(head, body), end="")
    print_run_directory(directory)
    return rows[0].score.mean


def _check_same(first: AnyEvaluator, other: AnyEvaluator, one: str, where: str) -> None:
    """Refuse runs that are judged on other tasks."""
    ours, theirs = first.describe(), other.describe()
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if names:
        differ = ", ".join(f"{name} {ours.get(name)} and {theirs.get(name)}" for name in names)
        raise ConfigError(
            f"{one} and {where} are judged on different tasks ({differ}); name one protocol for all, such as "
            "protocol=nway protocol.ways=5."
        )
    if first.tasks.hash != other.tasks.hash:
        raise ConfigError(f"{one} and {where} have different data or tasks; name one data= for all.")


def _judged(run: Run, evaluator: AnyEvaluator, learner_name: str | None, metric: str | None) -> Judged:
    learner = run.learner(evaluator.protocol)
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
    trainer = run.config.trainer
    facts: dict[str, float] = {
        "parameters": sum(each.numel() for each in learner.parameters()),
        "training episodes": trainer.steps * trainer.batch_size,
        "training seconds": round(run.checkpoint.seconds),
        **_timed(learner, evaluator),
    }
    return Judged(learner_name or name_of(run.config), int(run.config.seed), right, asked, facts)


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
            started = time.perf_counter()
            if isinstance(batch, Episode):
                state = learner.adapt(batch.support, batch.classes)
                adapted = time.perf_counter()
                learner.answer(state, batch.query.inputs)
                adapting.append(adapted - started)
                answering.append(time.perf_counter() - adapted)
            else:
                learner.stream(batch)
                answering.append(time.perf_counter() - started)
    spent = {"ms to adapt": adapting, "ms to answer": answering}
    return {name: round(1000 * float(np.median(each)), 2) for name, each in spent.items() if each}


def _by_learner(judged: Sequence[Judged]) -> list[Contestant]:
    """Runs of one name are one contestant, trained with several seeds."""
    names = list(dict.fromkeys(each.name for each in judged))
    found = []
    for name in names:
        runs = [each for each in judged if each.name == name]
        if len({each.seed for each in runs}) < len(runs):
            raise ConfigError(
                f"{len(runs)} runs of {name} have one training seed: compare runs that differ in their learner, or in "
                "their seed alone."
            )
        facts = {fact: float(np.mean([each.facts[fact] for each in runs])) for fact in runs[0].facts}
        right, asked = (np.stack([getattr(each, part) for each in runs]) for part in ("right", "asked"))
        found.append(Contestant(name, right, asked, facts))
    return found


def main() -> None:
    """Entry point of `metamann-compare`."""
    run_command(compare_runs, open_groups=("data", "protocol", "learner"))


if __name__ == "__main__":
    main()
