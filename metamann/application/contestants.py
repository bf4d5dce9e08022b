"""Which trained runs are judged beside one another, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metamann.application.run import Run
from metamann.errors import ConfigError, excerpt, shorten

# settings that make no other learner
IRRELEVANT = ("seed", "resume", "overwrite", "trust", "logger", "validation")
IRRELEVANT_TRAINER = ("_target_", "device", "workers", "log_every", "save_every_seconds")


def contestants(runs: Iterable[str]) -> list[tuple[str, str | None]]:
    """Runs, each with the adapter to evaluate it with, None for none: of entries `RUN`, `RUN:adapter`, or sweeps.

    Raises:
        ConfigError: if a directory holds no runs, or a job of a sweep has no checkpoint.
    """
    return [each for entry in runs for each in _expanded(str(entry))]


def _expanded(entry: str) -> list[tuple[str, str | None]]:
    where, _, adapter = entry.rpartition(":") if ":" in entry else (entry, "", None)
    path = Path(where).expanduser()
    if path.is_dir() and not (path / "checkpoints").is_dir():
        jobs = sorted(each.parent for each in path.rglob(".hydra"))  # a job may lie in folders of its own
        if not jobs:
            raise ConfigError(f"{path} holds no runs; give run directories of metamann-train, or that of a sweep.")
        without = [job for job in jobs if not (job / "checkpoints").is_dir()]
        if without:
            raise ConfigError(f"job {without[0]} of the sweep has no checkpoint; run it again, or name the other jobs.")
        return [(str(job), adapter) for job in jobs]
    return [(where, adapter)]


def name_of(run: Run, adapter: str | None) -> str:
    """What a run's learner is called: by its adapter, its memory, or, without one, its algorithm."""
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
        named += ", encoder of another run"  # whose training is not counted with its own
    return named if learner == "MANN" else f"{learner}, {named}"


def check_same_tasks(first: Any, other: Any, one: str, where: str) -> None:
    """Refuse a run that is judged on other tasks than the first.

    Args:
        first: what the first run is judged by.
        other: what the other is judged by.
        one: the first run.
        where: the other.

    Raises:
        ConfigError: with what differs.
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


def told_apart(names: Sequence[str], trainings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of learners; those of one name that were trained with other settings get these settings added.

    Args:
        names: of runs.
        trainings: the configuration that each was trained with; what only tells seeds apart does not count.
    """
    settings = [_settings(each) for each in trainings]
    found = []
    for name, ours in zip(names, settings, strict=True):
        namesakes = [theirs for other, theirs in zip(names, settings, strict=True) if other == name]
        differing = sorted(key for key in {key for each in namesakes for key in each} if _differs(key, namesakes))
        found.append(", ".join([name, *(f"{key}={excerpt(ours.get(key))}" for key in differing)]))
    return found


def _settings(training: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that make a learner, by their dotted names."""
    relevant = {key: value for key, value in training.items() if key not in IRRELEVANT}
    relevant["trainer"] = {key: v for key, v in training["trainer"].items() if key not in IRRELEVANT_TRAINER}
    return dict(_flat("", relevant))


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        return [(prefix, value)]
    return [each for key, inner in value.items() for each in _flat(f"{prefix}.{key}" if prefix else str(key), inner)]


def _differs(key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    return any(each.get(key) != settings[0].get(key) for each in settings)
