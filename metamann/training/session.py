"""A training run: the loop, with the record, the checkpoints, the validations and requests to stop around it."""

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
from metamann.training.keeping import Keeper
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
    resumed: Checkpoint | None = None,
    shield: Shield = nullcontext,
    should_stop: Callable[[], bool] | None = None,
    *,
    monitor: str,
) -> None:
    """Train a learner to learn. The best learner by validation is kept in `best.pt`.

    Args:
        learner: what is trained, by its `loss`.
        sampler: deals the training episodes, see `meta_train`.
        validate: scores of the learner on held-out classes.
        config: settings.
        record: where it is written down.
        checkpoints: folder of `last.pt` and `best.pt`.
        identity: configuration and data fingerprints, for the checkpoints.
        resumed: where to go on from, already loaded into the learner; the result is bit for bit that of a run never
            stopped.
        shield: gives a context that `Interrupted` is not raised in. Outside of it, it may be raised at any time:
            `last.pt` is saved, and it is raised on.
        should_stop: asked before each step, and before and after each validation; true ends the run as `Interrupted`
            does, which is raised. Once the last step is done and validated, nothing is left to stop.
        monitor: the score of `validate` that chooses the best learner, see `better`.

    Raises:
        TrainingError: if a loss, a gradient or the parameters are not good, see `keeping`, or a file cannot be written.
        CheckpointError: if the state of the optimizer is not one of this learner.
        Interrupted: as soon as it is raised in here, or `should_stop` says so.
    """
    learner.to(choose_device(config.device, "trainer.device")).train()
    groups = parameter_groups(learner, config.weight_decay, config.pretrained_rate)
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    keeper = Keeper(checkpoints, learner, optimizer, record, identity, monitor)
    start = 0
    if resumed is not None:
        start = resumed.step
        load_optimizer(optimizer, resumed.optimizer)
        keeper.resume(resumed)
    record.open(start, 0.0 if resumed is None else resumed.seconds)
    stopping = Stopping(should_stop)
    validation = Validation(learner, validate, keeper, config, stopping, shield)
    saving = Saving(keeper, config, start, shield)
    callbacks = (stopping, Refusing(keeper, config, sampler.seed), Recording(record, config), validation, saving)
    with record:
        try:
            if start == 0:
                keeper.save_last(0)
            elif config.validates(start) and (record.last_validation < start or keeper.best["step"] == 0):
                validation.validate(start)  # in which it was stopped
                with shield():
                    keeper.save_last(start)
            meta_train(learner, optimizer, sampler, config, callbacks, start, shield)
        except Interrupted:
            with shield():
                keeper.save_last(saving.done)
            raise
    keeper.close()


class Stopping(Callback):
    """Ends the run as soon as whoever started it says so.

    Examples:
        >>> Stopping(lambda: False).before_step(0)
        >>> Stopping(lambda: True).before_step(0)
        Traceback (most recent call last):
        metamann.training.loop.Interrupted: None
    """

    def __init__(self, should_stop: Callable[[], bool] | None) -> None:
        self._should_stop = should_stop

    def ask(self) -> None:
        """Raise `Interrupted` if the run is to stop."""
        if self._should_stop is not None and self._should_stop():
            raise Interrupted

    def before_step(self, step: int) -> None:
        """Ask."""
        self.ask()


class Refusing(Callback):
    """Ends the run where a loss or a gradient is not finite."""

    def __init__(self, keeper: Keeper, config: TrainerConfig, seed: int) -> None:
        self._keeper, self._batch_size, self._seed = keeper, config.batch_size, seed

    def before_update(self, step: int, values: Mapping[str, float]) -> None:
        """Refuse the parameters that this loss and these gradients are of."""
        loss, grad_norm = values["loss"], values["grad_norm"]
        if not math.isfinite(loss + grad_norm):
            self._keeper.refused(step)
            first = step * self._batch_size
            raise self._keeper.blown_up(
                f"loss {loss:g} and gradient norm {grad_norm:g} of step {step} (seed {self._seed}, episodes {first} to "
                f"{first + self._batch_size - 1}) are not finite"
            )

    def after_last_update(self, done: int, loss: float) -> None:
        """Refuse the parameters of the last step."""
        if not math.isfinite(loss):
            raise self._keeper.blown_up(f"the loss after the last step, {done}, is {loss:g}")


class Recording(Callback):
    """Writes each step down.

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
        """Show the step; every `log_every` steps it is a line of the record."""
        write = done % self._config.log_every == 0 or done == self._config.steps
        self._record.train(done, values, write=write)


class Validation(Callback):
    """Has the learner judged on held-out classes, and the best one kept."""

    def __init__(
        self,
        learner: Learner[Any] | SequenceLearner,
        scores: Callable[[], dict[str, float]],
        keeper: Keeper,
        config: TrainerConfig,
        stopping: Stopping,
        shield: Shield,
    ) -> None:
        self._learner, self._scores, self._keeper = learner, scores, keeper
        self._config, self._stopping, self._shield = config, stopping, shield

    def after_step(self, done: int) -> None:
        """Validate where it is due."""
        if self._config.validates(done):
            self._keeper.check(done)
            self.validate(done)

    def validate(self, done: int) -> None:
        """Validate the learner as it is after so many steps."""
        self._stopping.ask()
        scores = self._scores()
        self._learner.train()
        with self._shield():
            self._keeper.judge(done, scores)
        if done < self._config.steps:
            self._stopping.ask()


class Saving(Callback):
    """Writes `last.pt` from time to time.

    Attributes:
        done: steps that the parameters have taken.
    """

    def __init__(self, keeper: Keeper, config: TrainerConfig, start: int, shield: Shield) -> None:
        self._keeper, self._config, self._shield = keeper, config, shield
        self.done, self._saved = start, time.monotonic()

    def after_update(self, done: int, values: Mapping[str, float]) -> None:
        """Count the step."""
        self.done = done

    def after_step(self, done: int) -> None:
        """Save after the last step, and when the last time was long enough ago."""
        if done == self._config.steps or time.monotonic() - self._saved >= self._config.save_every_seconds:
            with self._shield():
                self._keeper.save_last(done)
            self._saved = time.monotonic()
