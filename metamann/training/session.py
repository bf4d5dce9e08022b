"""A training run: the loop, with the callbacks for the record, checkpoints, validation and requests to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from metamann.episodes.sampler import Sampler
from metamann.hardware import choose_device
from metamann.learners.learner import Learner
from metamann.learners.sequence import SequenceLearner
from metamann.training.callbacks import Callback
from metamann.training.checkpoint import Checkpoint
from metamann.training.checkpoint_manager import CheckpointManager
from metamann.training.loop import Interrupted, TrainerConfig, meta_train
from metamann.training.optimizer import load_optimizer, parameter_groups
from metamann.training.record import Record

Shield = Callable[[], AbstractContextManager[None]]


def run_session(
    learner: Learner[Any] | SequenceLearner,
    sampler: Sampler,
    validate: Callable[[], dict[str, float]],
    config: TrainerConfig,
    record: Record,
    checkpoints: Path,
    identity: tuple[dict[str, Any], dict[str, str]],
    checkpoint: Checkpoint | None = None,
    shield: Shield = nullcontext,
    should_stop: Callable[[], bool] | None = None,
    *,
    monitor: str,
) -> None:
    """Train a learner to learn, with a record and checkpoints. The best learner by validation is saved in `best.pt`.

    Args:
        learner: to train, by its `loss`.
        sampler: of the training episodes, see `meta_train`.
        validate: computes the scores of the learner on held-out classes.
        config: settings.
        record: of the run; it is opened and closed.
        checkpoints: folder of `last.pt` and `best.pt`.
        identity: configuration and data fingerprints, for the checkpoints.
        checkpoint: to resume from, already loaded into the learner; the result equals that of an uninterrupted run bit
            for bit.
        shield: makes a context in which `Interrupted` is not raised. Outside of it, it may be raised at any time:
            `last.pt` is saved, and the exception is raised again.
        should_stop: called before each step, and before and after each validation; if it returns true, `last.pt` is
            saved and `Interrupted` is raised. It is not called after the validation of the last step.
        monitor: name of the score of `validate` that selects the best learner, see `is_better`.

    Raises:
        TrainingError: if a loss or a gradient is not finite, the parameters are not valid (see `checkpoint_manager`),
            or a file cannot be written.
        CheckpointError: if the state of the optimizer does not belong to this learner.
        Interrupted: if it is raised during the training, or `should_stop` returns true.
    """
    learner.to(choose_device(config.device, "trainer.device")).train()
    groups = parameter_groups(learner, config.weight_decay, config.pretrained_rate)
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    manager = CheckpointManager(checkpoints, learner, optimizer, record, identity, monitor)
    start = 0
    if checkpoint is not None:
        start = checkpoint.step
        load_optimizer(optimizer, checkpoint.optimizer)
        manager.resume(checkpoint)
    record.open(start, 0.0 if checkpoint is None else checkpoint.seconds)
    stopping = Stopping(should_stop)
    validation = Validation(learner, validate, manager, config, stopping, shield)
    saving = Saving(manager, config, start, shield)
    callbacks = (stopping, TerminateOnNaN(manager, config, sampler.seed), Recording(record, config), validation, saving)
    with record:
        try:
            if start == 0:
                manager.save_last(0)
            elif config.validates(start) and (record.last_validation < start or manager.best["step"] == 0):
                validation.validate(start)  # the run was stopped before or during this validation
                with shield():
                    manager.save_last(start)
            meta_train(learner, optimizer, sampler, config, callbacks, start, shield)
        except Interrupted:
            with shield():
                manager.save_last(saving.done)
            raise
    manager.close()


class Stopping(Callback):
    """Ends the run when a function of the caller returns true.

    Args:
        should_stop: returns true when the run is to stop; None never stops it.

    Examples:
        >>> Stopping(lambda: False).before_step(0)
        >>> Stopping(lambda: True).before_step(0)
        Traceback (most recent call last):
        metamann.training.loop.Interrupted: None
    """

    def __init__(self, should_stop: Callable[[], bool] | None) -> None:
        self._should_stop = should_stop

    def check(self) -> None:
        """Raise `Interrupted` if the run is to stop."""
        if self._should_stop is not None and self._should_stop():
            raise Interrupted

    def before_step(self, step: int) -> None:
        """Stop before the step if the run is to stop."""
        self.check()


class TerminateOnNaN(Callback):
    """Ends the run with an error when a loss or a gradient is not finite.

    Args:
        manager: of the checkpoints; it replaces `last.pt` if that holds the parameters in question.
        config: settings.
        seed: of the training episodes, for the error.

    Examples:
        >>> from metamann.training.dashboards import Mirrors
        >>> learner, record = torch.nn.Linear(2, 1), Record(Path("."), Mirrors({}), steps=10, episodes_per_step=1)
        >>> optimizer = torch.optim.AdamW(learner.parameters())
        >>> manager = CheckpointManager(Path("checkpoints"), learner, optimizer, record, ({}, {}), "accuracy")
        >>> callback = TerminateOnNaN(manager, TrainerConfig(batch_size=1), seed=0)
        >>> callback.before_update(3, {"loss": math.nan, "grad_norm": 1.0})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        metamann.errors.TrainingError: loss nan and gradient norm 1 of step 3 (seed 0, episodes 3 to 3) are not...
    """

    def __init__(self, manager: CheckpointManager, config: TrainerConfig, seed: int) -> None:
        self._manager, self._batch_size, self._seed = manager, config.batch_size, seed

    def before_update(self, step: int, values: Mapping[str, float]) -> None:
        """Check the loss and the gradient norm."""
        loss, grad_norm = values["loss"], values["grad_norm"]
        if not math.isfinite(loss + grad_norm):
            self._manager.restore_previous(step)
            first = step * self._batch_size
            raise self._manager.divergence_error(
                f"loss {loss:g} and gradient norm {grad_norm:g} of step {step} (seed {self._seed}, episodes {first} to "
                f"{first + self._batch_size - 1}) are not finite"
            )

    def after_last_update(self, done: int, loss: float) -> None:
        """Check the loss after the last step."""
        if not math.isfinite(loss):
            raise self._manager.divergence_error(f"the loss after the last step, {done}, is {loss:g}")


class Recording(Callback):
    """Writes the training steps to the record.

    Args:
        record: of the run, opened.
        config: settings.

    Examples:
        >>> from metamann.training.dashboards import Mirrors
        >>> with Record(Path("."), Mirrors({}), steps=20, episodes_per_step=1) as record:
        ...     record.open(0, 0.0)
        ...     Recording(record, TrainerConfig(steps=20)).after_update(10, {"loss": 0.5, "accuracy": 0.9})
        >>> record.events()[0]["step"]
        10
    """

    def __init__(self, record: Record, config: TrainerConfig) -> None:
        self._record, self._config = record, config

    def after_update(self, done: int, values: Mapping[str, float]) -> None:
        """Show the step, and write it to the record every `log_every` steps."""
        write = done % self._config.log_every == 0 or done == self._config.steps
        self._record.train(done, values, write=write)


class Validation(Callback):
    """Validates the learner on held-out classes, and saves it if it is the best so far.

    Args:
        learner: to validate; it is put back into training mode.
        evaluate: computes its scores.
        manager: of the checkpoints.
        config: settings.
        stopping: checks for a request to stop before and after the validation.
        shield: see `run_session`.

    Examples:
        >>> from metamann.training.dashboards import Mirrors
        >>> learner, record = torch.nn.Linear(2, 1), Record(Path("."), Mirrors({}), steps=10, episodes_per_step=1)
        >>> optimizer, config = torch.optim.AdamW(learner.parameters()), TrainerConfig(steps=10)
        >>> with record:
        ...     record.open(start=0, seconds=0.0)
        ...     manager = CheckpointManager(Path("checkpoints"), learner, optimizer, record, ({}, {}), "accuracy")
        ...     evaluate = lambda: {"accuracy": 0.9}  # answers episodes of held-out classes
        ...     Validation(learner, evaluate, manager, config, Stopping(None), nullcontext).after_step(10)
        >>> manager.best
        {'accuracy': 0.9, 'step': 10.0}
    """

    def __init__(
        self,
        learner: Learner[Any] | SequenceLearner,
        evaluate: Callable[[], dict[str, float]],
        manager: CheckpointManager,
        config: TrainerConfig,
        stopping: Stopping,
        shield: Shield,
    ) -> None:
        self._learner, self._evaluate, self._manager = learner, evaluate, manager
        self._config, self._stopping, self._shield = config, stopping, shield

    def after_step(self, done: int) -> None:
        """Validate the learner if a validation is due."""
        if self._config.validates(done):
            self._manager.check(done)
            self.validate(done)

    def validate(self, done: int) -> None:
        """Validate the learner after this many steps."""
        self._stopping.check()
        scores = self._evaluate()
        self._learner.train()
        with self._shield():
            self._manager.save_if_best(done, scores)
        if done < self._config.steps:
            self._stopping.check()


class Saving(Callback):
    """Saves `last.pt` after the last step, and every `save_every_seconds` before it.

    Args:
        manager: of the checkpoints.
        config: settings.
        start: training steps done before.
        shield: see `run_session`.

    Attributes:
        done: training steps done, those before a resume included.

    Examples:
        >>> from metamann.training.dashboards import Mirrors
        >>> learner, record = torch.nn.Linear(2, 1), Record(Path("."), Mirrors({}), steps=10, episodes_per_step=1)
        >>> optimizer, config = torch.optim.AdamW(learner.parameters()), TrainerConfig(steps=10)
        >>> with record:
        ...     record.open(start=0, seconds=0.0)
        ...     manager = CheckpointManager(Path("checkpoints"), learner, optimizer, record, ({}, {}), "accuracy")
        ...     Saving(manager, config, start=0, shield=nullcontext).after_step(10)
        >>> Path("checkpoints/last.pt").is_file()
        True
    """

    def __init__(self, manager: CheckpointManager, config: TrainerConfig, start: int, shield: Shield) -> None:
        self._manager, self._config, self._shield = manager, config, shield
        self.done, self._last_save = start, time.monotonic()

    def after_update(self, done: int, values: Mapping[str, float]) -> None:
        """Count the step."""
        self.done = done

    def after_step(self, done: int) -> None:
        """Save after the last step, and when `save_every_seconds` have passed since the last save."""
        if done == self._config.steps or time.monotonic() - self._last_save >= self._config.save_every_seconds:
            with self._shield():
                self._manager.save_last(done)
            self._last_save = time.monotonic()
