"""Which trained runs are judged beside one another, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from metamann.errors import ConfigError


def contestants(runs: Iterable[str]) -> list[tuple[str, str | None]]:
    """Runs, each with the learner to evaluate it with, None for its own: of entries `RUN`, `RUN:learner`, or sweeps.

    Raises:
        ConfigError: if a directory holds no runs.
    """
    return [each for entry in runs for each in _expanded(str(entry))]


def _expanded(entry: str) -> list[tuple[str, str | None]]:
    """Runs that an entry names, each with the learner to evaluate it with: `RUN`, `RUN:learner`, or a sweep."""
    where, _, learner = entry.rpartition(":") if ":" in entry else (entry, "", None)
    path = Path(where).expanduser()
    if path.is_dir() and not (path / "checkpoints").is_dir():
        runs = sorted(each.parent for each in path.glob("*/checkpoints"))
        if not runs:
            raise ConfigError(f"{path} holds no runs; give run directories of metamann-train, or that of a sweep.")
        return [(str(run), learner) for run in runs]
    return [(where, learner)]


def named_learner(name: str) -> DictConfig:
    """A learner of the group `learner`.

    Raises:
        ConfigError: if there is none of this name.
    """
    file = files("metamann.conf") / "learner" / f"{name}.yaml"
    if not file.is_file():
        raise ConfigError(f"there is no learner {name}; choose one of conf/learner/, as in RUN:linear_head.")
    learner = OmegaConf.create(file.read_text())
    assert isinstance(learner, DictConfig)
    return learner


def name_of(config: DictConfig) -> str:
    """What a learner is called: by its memory, or, without one, by its algorithm."""
    learner = config.learner._target_.rpartition(".")[2]
    if "algorithm" in config.learner:
        return str(config.learner.algorithm)
    memory = config.memory._target_.rpartition(".")[2].removesuffix("Memory")
    if memory == "ControllerOnly":
        memory = f"no memory, {config.memory.controller}"
    named = f"{memory}, evicts by {config.memory.evict}" if "evict" in config.memory else memory
    return named if learner == "MANN" else f"{learner}, {named}"
