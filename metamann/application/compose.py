"""Settings out of conf/: the one place beside the commands that imports Hydra, and only when it is asked."""

from __future__ import annotations

import threading
from typing import Any

from metamann.application.command_settings import COMMANDS, TrainCommand
from metamann.application.settings import TrainSettings
from metamann.errors import ConfigError

_composing = threading.Lock()  # Hydra keeps what it composes in one place of the process


def register() -> None:
    """Tell Hydra the typed settings of all commands: it checks the kind of every value."""
    from hydra.core.config_store import ConfigStore

    for name, kind in COMMANDS.items():
        ConfigStore.instance().store(name=f"{name}_settings", node=kind, provider="metamann")


def settings(experiment: str | None = None, **overrides: Any) -> TrainSettings:
    """Settings of a run as conf/ has them, for `metamann.train`.

    Args:
        experiment: a choice of conf/experiment/, such as `quickstart`; None starts from the defaults.
        overrides: what `metamann-train` takes, by dotted names: `**{"trainer.steps": 100, "memory": "ntm"}`.

    Raises:
        ConfigError: if there is no such setting or choice, or a value is of another kind.

    Examples:
        >>> settings("quickstart", seed=1, **{"trainer.steps": 100}).trainer.steps
        100
    """
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    from metamann.application.setting_errors import setting_error

    register()
    chosen = {} if experiment is None else {"experiment": experiment}
    lines = [f"{name}={_written(value)}" for name, value in {**chosen, **overrides}.items()]
    lines = [f"++{line}" if line.startswith("train_protocol.") else line for line in lines]
    with _composing:
        try:
            with initialize_config_module("metamann.conf", version_base="1.3"):
                config = OmegaConf.to_object(compose("train", overrides=lines))
        except ConfigError:
            raise
        except Exception as error:  # Hydra and OmegaConf have no common base
            raise ConfigError(setting_error(error)) from error
    assert isinstance(config, TrainCommand)
    return config.run()


def _written(value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
