"""The trained runs of a comparison, and the names of their learners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metamann.application.run import Run
from metamann.errors import ConfigError, excerpt, shorten

# settings that do not change the learner
IRRELEVANT = ("seed", "resume", "overwrite", "trust", "logger", "validation")
IRRELEVANT_TRAINER = ("_target_", "device", "workers", "log_every", "save_every_seconds")


def contestants(runs: Iterable[str]) -> list[tuple[str, str | None]]:
    """Runs with their adapters, or None without one, of entries `RUN`, `RUN:adapter` and directories of sweeps.

    Raises:
        ConfigError: if a directory holds no runs, or a job of a sweep has no checkpoint.
    """
    return [contestant for entry in runs for contestant in _expanded(str(entry))]


def _expanded(entry: str) -> list[tuple[str, str | None]]:
    where, _, adapter = entry.rpartition(":") if ":" in entry else (entry, "", None)
    path = Path(where).expanduser()
    if path.is_dir() and not (path / "checkpoints").is_dir():
        jobs = sorted(folder.parent for folder in path.rglob(".hydra"))  # jobs may be nested
        if not jobs:
            raise ConfigError(f"{path} holds no runs; give run directories of metamann-train, or that of a sweep.")
        without = [job for job in jobs if not (job / "checkpoints").is_dir()]
        if without:
            raise ConfigError(f"job {without[0]} of the sweep has no checkpoint; run it again, or name the other jobs.")
        return [(str(job), adapter) for job in jobs]
    return [(where, adapter)]


def name_of(run: Run, adapter: str | None) -> str:
    """The name of a run's learner: its adapter, its algorithm, or its memory."""
    if adapter is not None:
        return adapter
    nodes = run.parts.nodes
    learner = nodes["learner"]["_target_"].rpartition(".")[2]
    if "algorithm" in nodes["learner"]:
        return str(nodes["learner"]["algorithm"])
    memory = nodes["memory"]["_target_"].rpartition(".")[2].removesuffix("Memory")
    if memory == "ControllerOnly":
        memory = f"no memory, {nodes['memory']['controller']}"
    named = f"{memory}, evicts by {nodes['memory']['evict']}" if "evict" in nodes["memory"] else memory
    if nodes.get("encoder_from"):
        named += ", encoder of another run"  # whose training episodes are not counted
    return named if learner == "MANN" else f"{learner}, {named}"


def check_same_tasks(first: Any, other: Any, one: str, where: str) -> None:
    """Refuse a run that is evaluated on other tasks than the first.

    Args:
        first: evaluator of the first run.
        other: evaluator of the other run.
        one: path of the first run.
        where: path of the other run.

    Raises:
        ConfigError: with the difference.
    """
    ours, theirs = first.describe(), other.describe()
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if names:
        differ = ", ".join(f"{name} {ours.get(name)} and {theirs.get(name)}" for name in names)
        raise ConfigError(
            f"the runs are judged on different tasks ({shorten(differ, 90)}); name one protocol for all, or "
            f"protocol.codes.width=100: {excerpt(one)} and {excerpt(where)}."
        )
    if first.tasks.hash != other.tasks.hash:
        raise ConfigError(
            f"the runs have different data or tasks; name one data= for all: {excerpt(one)} and {excerpt(where)}."
        )


def distinct_names(names: Sequence[str], trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of learners; if learners of one name were trained with different settings, these settings are appended.

    Args:
        names: names of the runs.
        trainings: their training configurations; settings that do not change the learner are ignored.
    """
    settings = [_settings(training) for training in trainings]
    distinct = []
    for name, ours in zip(names, settings, strict=True):
        namesakes = [theirs for other, theirs in zip(names, settings, strict=True) if other == name]
        differing = sorted(key for key in {key for other in namesakes for key in other} if _differs(key, namesakes))
        distinct.append(", ".join([name, *(f"{key}={excerpt(ours.get(key))}" for key in differing)]))
    return distinct


def _settings(training: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that determine a learner, by their dotted names."""
    relevant = {key: value for key, value in training.items() if key not in IRRELEVANT}
    relevant["trainer"] = {key: v for key, v in training["trainer"].items() if key not in IRRELEVANT_TRAINER}
    return dict(_flat("", relevant))


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        return [(prefix, value)]
    return [leaf for key, inner in value.items() for leaf in _flat(f"{prefix}.{key}" if prefix else str(key), inner)]


def _differs(key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    return any(other.get(key) != settings[0].get(key) for other in settings)
