"""Resume a run from its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from metamann.application.caller import PYTHON, Caller
from metamann.application.directory import check_free, copy_run, run_of, save_settings
from metamann.application.opening import open_directory
from metamann.application.run import Run
from metamann.application.settings import PARTS, TrainSettings, plain, train_settings
from metamann.application.train import Prepared, fit, prepare
from metamann.application.trust import open_checkpoint
from metamann.errors import CheckpointError, ConfigError, setting, shorten
from metamann.training.checkpoint import Checkpoint
from metamann.training.checkpoint_manager import parameter_fault
from metamann.training.log import note
from metamann.training.loop import TrainerConfig

# settings that a resumed run cannot change; data are compared by their fingerprints
FIXED = ("seed", "protocol", "train_protocol", "encoder", "encoder_from", "memory", "learner", "adapter")
FIXED_TRAINER = ("batch_size",)  # step s draws the episodes from s * batch_size on


def resume(
    run: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    directory: str | Path | None = None,
    trust: list[str] | None = None,
    caller: Caller = PYTHON,
) -> Run:
    """Resume a run; the result is bit for bit that of a run that was never stopped.

    Args:
        run: its directory.
        changes: settings to change, by their dotted names, such as `{"trainer.steps": 2000}`: settings of the
            trainer, the dashboards and the validation.
        directory: for a copy of the run, which is resumed there; None resumes the run in its own directory.
        trust: classes or packages that the settings of the run may name.
        caller: see `metamann.train`.

    Returns:
        The run.

    Raises:
        CheckpointError: if there is no checkpoint, the data have changed, or a setting cannot be changed.
        ConfigError: if a setting is wrong.

    Examples:
        >>> import metamann
        >>> tiny = {"memory": "none", "trainer.steps": 2, "validation.episodes": 2}
        >>> tiny |= {"logger.wandb": False, "logger.tensorboard": False}
        >>> run = metamann.train(metamann.settings("copy", **tiny), "runs/mine")
        >>> resume("runs/mine", {"trainer.steps": 4}).directory == run.directory
        True
    """
    source = run_of(str(run)).resolve()
    target = source if directory is None else Path(directory).expanduser().resolve()
    is_copy = target != source
    with open_directory(target) as path:
        if is_copy:
            check_free(path)
        checkpoint = open_checkpoint(source / "checkpoints" / "last.pt", trust or [])
        settings = train_settings(_merged(checkpoint.config, changes or {}, source), trust or [])
        _check_schedule(settings.trainer, checkpoint)
        prepared = prepare(settings)
        _check_same(checkpoint.config, plain(prepared.settings), source)
        _load_parameters(prepared, checkpoint, source)
        folder = ".hydra" if is_copy else f".hydra/resumed_{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
        save_settings(path, plain(settings), caller.files, folder)
        if is_copy:
            copy_run(source, path)
            note(f"the run goes on as a copy in {path}; {source} stays as it is")
        return fit(prepared, path, checkpoint, caller)


def _merged(saved: Mapping[str, Any], changes: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """The settings of a run with the changes.

    Raises:
        CheckpointError: if a setting cannot be changed.
    """
    config = {key: dict(value) if isinstance(value, Mapping) else value for key, value in saved.items()}
    for name, value in changes.items():
        part, _, inner = name.partition(".")
        if part in FIXED or name in [f"trainer.{key}" for key in FIXED_TRAINER]:
            _refuse(run, name, _difference(name, _selected(config, name), value, null_is_open=True))
            if not inner:  # a null may be completed from the data, see `_check_same`
                config[part] = value
        elif inner and isinstance(config.get(part), dict):
            config[part][inner] = value
        elif part in PARTS and _kind(config.get(part)) != _kind(value):
            raise CheckpointError(
                f"{run} holds a run with {part} {_kind(config.get(part))}, not {_kind(value)}: a run cannot change its "
                f"{part}. Leave out {part}=, or start a new run without resume=."
            )
        elif isinstance(value, Mapping) and isinstance(config.get(part), dict):
            config[part] = {**config[part], **value}
        else:
            config[part] = value
    return config


def _check_same(saved: Mapping[str, Any], prepared: Mapping[str, Any], run: Path) -> None:
    """Check that the fixed settings, completed from the data, are those of the saved run.

    Raises:
        CheckpointError: if one differs.
    """
    for name in FIXED:
        if isinstance(saved.get(name), Mapping):
            _refuse(run, name, _difference(name, saved[name], prepared.get(name)))


def _refuse(run: Path, name: str, difference: str | None) -> None:
    if difference is not None:
        raise CheckpointError(
            f"{run} was started with {shorten(difference, 110)}, and a run cannot change it on its way. Leave out "
            f"{name}=, or start a new run."
        )


def _difference(name: str, old: Any, new: Any, null_is_open: bool = False) -> str | None:
    """The first setting that differs, with its old value; None if there is none.

    Args:
        name: name of the setting.
        old: its value in the run.
        new: its value now.
        null_is_open: a null in a part does not differ, because it may be completed from the data.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [*old, *(key for key in new if key not in old)]
        differences = (
            _difference(f"{name}.{key}", old.get(key), new.get(key), null_is_open)
            for key in names
            if not (null_is_open and key in new and new[key] is None)
        )
        return next((difference for difference in differences if difference is not None), None)
    same = list(old) == list(new) if isinstance(old, list | tuple) and isinstance(new, list | tuple) else old == new
    return None if same else f"{name}={setting(old)}"


def _selected(config: Mapping[str, Any], name: str) -> Any:
    value: Any = config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _kind(node: Any) -> Any:
    return node.get("_target_") if isinstance(node, Mapping) else node


def _load_parameters(prepared: Prepared, resumed: Checkpoint, run: Path) -> None:
    """Load the parameters of the resumed run into the learner.

    Raises:
        CheckpointError: if the data have changed, or the parameters do not fit the learner or have diverged.
    """
    if resumed.fingerprints != prepared.fingerprints:
        raise CheckpointError(f"the data have changed since {run} was started; resume with the same data.")
    resumed.load_into(prepared.learner, run)
    fault = parameter_fault(prepared.learner)
    if fault is not None:
        raise CheckpointError(f"{run} cannot be gone on with, for its parameters blew up: {fault}. Start a new run.")


def _check_schedule(trainer: TrainerConfig, resumed: Checkpoint) -> None:
    """Log a note if the changes affect the learning rate of the remaining steps.

    Raises:
        ConfigError: if the number of steps is lower than that of the checkpoint.
    """
    if trainer.steps < resumed.step:
        raise ConfigError(f"trainer.steps={trainer.steps}: the run has done {resumed.step} already; ask for no fewer.")
    before: TrainSettings = train_settings(resumed.config, [])
    planned, now = before.trainer.rate(resumed.step), trainer.rate(resumed.step)
    if trainer.steps > resumed.step and now != planned:
        note(
            f"the learning rate goes on at {now:.3g}, where {planned:.3g} was planned: warm-up and cosine are those of "
            f"a run of {trainer.steps} steps with trainer.learning_rate={trainer.learning_rate:g}"
        )
