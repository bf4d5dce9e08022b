"""The list of classes that a configuration may build.

The list holds the classes of the choices of `conf/` by group, the classes that installed packages register under the
entry point group `metamann.plugins`, and the classes and packages of `trust=`. A `trust` setting in a file is ignored.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from metamann.application.moved import renewed
from metamann.encoders.transformer import MINILM
from metamann.errors import CheckpointError, ConfigError, excerpt
from metamann.training.checkpoint import Checkpoint, load_checkpoint

# parts of a run that are built, and the group of conf/ with their classes
GROUP_OF = {
    "data": "data",
    "protocol": "protocol",
    "train_protocol": "protocol",
    "encoder": "encoder",
    "memory": "memory",
    "learner": "learner",
    "adapter": "adapter",
    "trainer": "trainer",
}
NEEDED = ("protocol", "memory", "learner", "trainer")  # parts of every run
TRAINER = "metamann.training.loop.TrainerConfig"


def trusted_class(target: object, part: str, trust: Sequence[str]) -> Callable[..., Any]:
    """The class or function of a `_target_`.

    Args:
        target: its dotted name.
        part: part of the run, such as `encoder`: only classes of its group in conf/ are trusted.
        trust: dotted names of classes or packages that the user trusts, besides the list.

    Raises:
        ConfigError: if the class is not on the list, or cannot be imported.
    """
    if not isinstance(target, str):
        raise ConfigError(f"{part}._target_ must be the dotted name of a class, not {excerpt(target)}.")
    on_list = target in conf_classes(GROUP_OF[part]) or target in plugin_classes()
    named = any(target == name or target.startswith(f"{name}.") for name in trust)
    if not on_list and not named:
        raise ConfigError(
            f"{part} wants to build {excerpt(target)}, which is neither offered by conf/{GROUP_OF[part]}/ nor by an "
            f"installed plug-in. If you trust its code, add trust=[{excerpt(target.partition('.')[0])}]."
        )
    module, _, name = target.rpartition(".")
    try:
        builder: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except Exception as error:  # importing a module may raise anything
        raise ConfigError(f"{part} names {excerpt(target)}, which does not exist or cannot be imported.") from error
    # a trusted package may import others that are not trusted
    home = getattr(builder, "__module__", None) or ""
    if not on_list and target not in trust and not any(home == name or home.startswith(f"{name}.") for name in trust):
        raise ConfigError(
            f"{part} names {excerpt(target)}, which only passes through a trusted package. If you trust its "
            f"code, name the class itself: trust=[{excerpt(target)}]."
        )
    if not callable(builder):
        raise ConfigError(f"{part} names {excerpt(target)}, which is no class.")
    return builder


def check_trusted(config: Mapping[str, Any], trust: Sequence[str]) -> None:
    """Refuse a plain configuration with a class that is not on the list, before anything is built.

    Raises:
        ConfigError: with the part and the class.
    """
    for part in GROUP_OF:
        for target in _targets(config.get(part)):
            trusted_class(target, part, trust)


def open_checkpoint(path: Path, trust: Sequence[str]) -> Checkpoint:
    """Read a checkpoint whose configuration builds only classes of the list.

    Args:
        path: path of the file.
        trust: what the user trusts, besides the list.

    Raises:
        CheckpointError: if the file is no complete checkpoint.
        ConfigError: if it names a class that is not on the list.
    """
    checkpoint = load_checkpoint(path)
    missing = [part for part in NEEDED if part not in checkpoint.config]
    given = {part: checkpoint.config[part] for part in GROUP_OF if part in checkpoint.config}
    wrong = [
        part
        for part, node in given.items()
        if not isinstance({} if node is None and part not in NEEDED else node, dict)
    ]
    if missing or wrong:
        raise CheckpointError(
            f"the configuration in {path} has {'no' if missing else 'a wrong'} part '{(missing + wrong)[0]}'"
            f"{checkpoint.written_by()}; it was not saved by metamann-train, or has been changed."
        )
    checkpoint = checkpoint._replace(config=renewed(checkpoint.config))
    try:
        check_trusted(checkpoint.config, trust)
        _check_models(checkpoint.config.get("encoder"), trust)
    except ConfigError as error:
        raise ConfigError(f"{path.name}{checkpoint.written_by()}: {error}") from error
    return checkpoint


@functools.cache
def conf_choices() -> dict[str, dict[str, dict[str, Any]]]:
    """The choices of conf/: plain settings by group and name."""
    return {
        group: {
            Path(file.name).stem: yaml.safe_load(file.read_text(encoding="utf-8"))
            for file in sorted((files("metamann.conf") / group).iterdir(), key=lambda file: file.name)
            if file.name.endswith(".yaml")
        }
        for group in dict.fromkeys(GROUP_OF.values())
        if group != "trainer"  # typed settings without choices
    }


@functools.cache
def conf_classes(group: str) -> frozenset[str]:
    """Dotted names of the classes of a group of conf/."""
    if group == "trainer":
        return frozenset([TRAINER])
    return frozenset(target for node in conf_choices()[group].values() for target in _targets(node))


@functools.cache
def plugin_classes() -> frozenset[str]:
    """Dotted names of the classes that installed packages register: `name = "package.module:Class"`."""
    return frozenset(f"{entry.module}.{entry.attr}" for entry in entry_points(group="metamann.plugins"))


def _check_models(node: Any, trust: Sequence[str]) -> None:
    """Refuse a pretrained model that a file names and that would have to be downloaded.

    Raises:
        ConfigError: with the model.
    """
    if isinstance(node, dict):
        model = node.get("model")
        if isinstance(model, str) and model not in (MINILM, *trust) and not Path(model).is_dir():
            raise ConfigError(
                f"its encoder names the pretrained model {excerpt(model)}, which is no folder here. If you trust it, "
                f"fetch it from the hub with 'trust=[{excerpt(model)}]'."
            )
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in values:
        _check_models(value, trust)


def _targets(node: Any) -> list[Any]:
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    if isinstance(node, list):
        return [target for value in node for target in _targets(value)]
    return []
