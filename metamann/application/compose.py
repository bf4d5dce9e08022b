"""Settings composed from conf/. Besides the commands, only this module imports Hydra, when it is called."""

from __future__ import annotations

import threading
from typing import Any

from metamann.application.command_settings import COMMANDS, TrainCommand
from metamann.application.settings import TrainSettings
from metamann.errors import ConfigError

_composing = threading.Lock()  # Hydra composes in a global state of the process


def register() -> None:
    """Register the typed settings of all commands with Hydra, which checks the type of every value."""
    from hydra.core.config_store import ConfigStore

    for name, kind in COMMANDS.items():
        ConfigStore.instance().store(name=f"{name}_settings", node=kind, provider="metamann")


def settings(experiment: str | None = None, **overrides: Any) -> TrainSettings:
    """Settings of a run, composed from conf/, for `metamann.train`.

    Args:
        experiment: a choice of conf/experiment/, such as `quickstart`; None starts from the defaults.
        overrides: overrides of `metamann-train`, by dotted names: `**{"trainer.steps": 100, "memory": "ntm"}`.

    Raises:
        ConfigError: if a setting or choice does not exist, or a value has another type.

    Examples:
        >>> settings("quickstart", seed=1, **{"trainer.steps": 100}).trainer.steps
        100
    """
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    from metamann.application.setting_errors import setting_error

    register()
    chosen = {} if experiment is None else {"experiment": experiment}
    lines = [f"{name}={_in_grammar(value)}" for name, value in {**chosen, **overrides}.items()]
    lines = [f"++{line}" if line.startswith("train_protocol.") else line for line in lines]
    with _composing:
        try:
            with initialize_config_module("metamann.conf", version_base="1.3"):
                config = OmegaConf.to_object(compose("train", overrides=lines))
        except ConfigError:
            raise
        except Exception as error:  # errors of Hydra and OmegaConf have no common base class
            raise ConfigError(setting_error(error)) from error
    assert isinstance(config, TrainCommand)
    return config.run()


def _in_grammar(value: Any) -> str:
    """A value in the grammar of Hydra."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_in_grammar, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_in_grammar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
