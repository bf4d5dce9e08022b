"""The settings that a command has beside its groups: each takes values of the kind of its default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from omegaconf import DictConfig, OmegaConf

from metamann.commands.own_files import OPTIONS
from metamann.errors import LARGEST_SIZE, ConfigError, check_number, check_seed, setting

ABSENT = object()
LISTED = "runs"  # has no default that says so


def check_command(name: str, config: DictConfig) -> None:
    """Refuse settings of another kind, or too large; what is too small the command knows.

    Args:
        name: of the command's configuration.
        config: what it was started with.

    Raises:
        ConfigError: with the setting's name.
    """
    folder = files("metamann.conf")
    defaults = {**_plain(folder / f"{name}.yaml"), "logger": _plain(folder / "logger" / "default.yaml")}
    del defaults["defaults"], defaults["hydra"]
    for key, default in _settings(defaults):
        node = OmegaConf.select(config, key, default=ABSENT)  # so is what is missing, which Hydra names once it is read
        if node is not ABSENT and key not in OPTIONS:  # whose values the reader checks
            _check(key, OmegaConf.to_container(node) if OmegaConf.is_config(node) else node, default)


def _check(key: str, value: object, default: object) -> None:
    if key == "seed":
        check_seed(key, value)
    elif isinstance(default, bool):
        if not isinstance(value, bool):
            raise ConfigError(f"{key}={setting(value)} must be true or false.")
    elif isinstance(default, int):
        check_number(key, value, most=LARGEST_SIZE, whole=True)
    elif isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}={setting(value)} must be settings: {key}.NAME=VALUE.")
    elif isinstance(default, list) or key == LISTED:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ConfigError(f"{key}={setting(value)} must be a list of texts: {key}=[ONE,TWO].")
    elif not isinstance(value, str) and (value is not None or default is not None):
        raise ConfigError(f"{key}={setting(value)} must be a text.")


def _plain(file: Any) -> dict[str, Any]:
    content = OmegaConf.to_container(OmegaConf.create(file.read_text()))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _settings(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from _settings(value, f"{prefix}{key}.")
