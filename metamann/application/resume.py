"""A run that was stopped, gone on with exactly where it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from metamann.application.caller import PYTHON, Caller
from metamann.application.directory import check_free, copy_run, run_of, save_settings
from metamann.application.opening import opened
from metamann.application.run import Run
from metamann.application.settings import PARTS, TrainSettings, plain, train_settings
from metamann.application.train import Prepared, fit, prepare
from metamann.application.trust import open_checkpoint
from metamann.errors import CheckpointError, ConfigError, setting, shorten
from metamann.training.checkpoint import Checkpoint
from metamann.training.checkpoint_manager import parameter_fault
from metamann.training.log import note
from metamann.training.loop import TrainerConfig

# what a resumed run keeps, so that it is the run that was started; of data the fingerprints decide
FIXED = ("seed", "protocol", "train_protocol", "encoder", "encoder_from", "memory", "learner", "adapter")
FIXED_TRAINER = ("batch_size",)  # step s takes the episodes from s * batch_size on


def resume(
    run: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    directory: str | Path | None = None,
    trust: list[str] | None = None,
    caller: Caller = PYTHON,
) -> Run:
    """Go on with a run; bit for bit that of a run never stopped.

    Args:
        run: its directory.
        changes: settings that change, by their dotted names, such as `{"trainer.steps": 2000}`: those of the trainer,
            the dashboards and the validation.
        directory: where a copy of the run goes on; None goes on in its own.
        trust: classes or packages that the run's settings may name.
        caller: see `metamann.train`.

    Raises:
        CheckpointError: if there is nothing to go on from, the data have changed, or a change makes another run.
        ConfigError: if a setting is wrong.
    """
    source = run_of(str(run)).resolve()
    target = source if directory is None else Path(directory).expanduser().resolve()
    elsewhere = target != source
    with opened(target) as path:
        if elsewhere:
            check_free(path)
        checkpoint = open_checkpoint(source / "checkpoints" / "last.pt", trust or [])
        settings = train_settings(_merged(checkpoint.config, changes or {}, source), trust or [])
        _check_schedule(settings.trainer, checkpoint)
        prepared = prepare(settings)
        _check_same(checkpoint.config, plain(prepared.settings), source)
        _take_up(prepared, checkpoint, source)
        folder = ".hydra" if elsewhere else f".hydra/resumed_{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
        save_settings(path, plain(settings), caller.files, folder)
        if elsewhere:
            copy_run(source, path)
            note(f"the run goes on as a copy in {path}; {source} stays as it is")
        return fit(prepared, path, checkpoint, caller)


def _merged(saved: Mapping[str, Any], changes: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """The settings of a run with those that change.

    Raises:
        CheckpointError: if a change makes another run.
    """
    config = {key: dict(value) if isinstance(value, Mapping) else value for key, value in saved.items()}
    for name, value in changes.items():
        part, _, inner = name.partition(".")
        if part in FIXED or name in [f"trainer.{key}" for key in FIXED_TRAINER]:
            _refuse(run, name, _difference(name, _selected(config, name), value, null_is_open=True))
            if not inner:  # what data say of a null is known when they are read, see `_check_same`
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
    """What is fixed is that of the saved run, now that it is complete with what the data say.

    Raises:
        CheckpointError: if it is not.
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
    """The first setting that differs, as it was; None if they are the same.

    Args:
        name: of the setting.
        old: its value in the run.
        new: its value now.
        null_is_open: a null in a part differs from nothing yet: it may be filled in from the data.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [*old, *(key for key in new if key not in old)]
        found = (
            _difference(f"{name}.{key}", old.get(key), new.get(key), null_is_open)
            for key in names
            if not (null_is_open and key in new and new[key] is None)
        )
        return next((each for each in found if each is not None), None)
    same = list(old) == list(new) if isinstance(old, list | tuple) and isinstance(new, list | tuple) else old == new
    return None if same else f"{name}={setting(old)}"


def _selected(config: Mapping[str, Any], name: str) -> Any:
    value: Any = config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _kind(node: Any) -> Any:
    return node.get("_target_") if isinstance(node, Mapping) else node


def _take_up(prepared: Prepared, resumed: Checkpoint, run: Path) -> None:
    """Give the learner the parameters of the run that it goes on with.

    Raises:
        CheckpointError: if the run's data have changed, or its parameters are another learner's or not good.
    """
    if resumed.fingerprints != prepared.fingerprints:
        raise CheckpointError(f"the data have changed since {run} was started; resume with the same data.")
    resumed.load_into(prepared.learner, run)
    fault = parameter_fault(prepared.learner)
    if fault is not None:
        raise CheckpointError(f"{run} cannot be gone on with, for its parameters blew up: {fault}. Start a new run.")


def _check_schedule(trainer: TrainerConfig, resumed: Checkpoint) -> None:
    """Say what other settings do to the learning rate of the steps that are left.

    Raises:
        ConfigError: if fewer steps are asked for than were done.
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
