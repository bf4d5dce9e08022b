"""Meta-training: sample episodes, adapt, predict, back-propagate the query loss through all of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.errors import LARGEST_SIZE, ConfigError, check_number
from metamann.hardware import autocast, choose_device, choose_precision
from metamann.learners.learner import Learner, Loss
from metamann.learners.sequence import SequenceLearner
from metamann.training.callbacks import Callback
from metamann.training.seeding import seeded

MOST_STEPS = 10**7  # weeks of training; the indices of all batches are listed at the start
MOST_WORKERS = 256


@dataclasses.dataclass
class TrainerConfig:
    """Settings of the outer loop.

    Attributes:
        steps: optimizer steps.
        batch_size: episodes of a step.
        accumulate: the episodes of a step are split into this many parts, which need less memory; the gradient is the
            same.
        learning_rate: peak learning rate of AdamW, after the warm-up; it then falls to 0 along a cosine.
        warmup_steps: number of steps of linear warm-up.
        pretrained_rate: factor of the learning rate for the layers of a pretrained model.
        weight_decay: of AdamW, for matrices and convolutions only.
        max_grad_norm: gradients are clipped to this norm.
        precision: `auto`, `fp32` or `bf16`, of the encoder.
        device: `auto`, or a device name of torch.
        compile: compile the loss with `torch.compile`.
        validate_every: steps between validations on held-out classes; the last step is always validated.
        log_every: steps between lines of the record.
        save_every_seconds: seconds between saves of `last.pt`; 0 saves it after every step.
        workers: threads that prepare episodes in advance.

    Examples:
        >>> config = TrainerConfig(steps=100, warmup_steps=10, validate_every=40)
        >>> [done for done in range(1, 101) if config.validates(done)]
        [40, 80, 100]
        >>> config.rate(0) < config.rate(10) > config.rate(99)
        True
    """

    steps: int = 1000
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 50
    pretrained_rate: float = 1.0
    weight_decay: float = 1e-4
    max_grad_norm: float = 1.0
    precision: str = "auto"
    device: str = "auto"
    compile: bool = False
    validate_every: int = 500
    log_every: int = 10
    save_every_seconds: float = 60.0
    workers: int = 1

    def __post_init__(self) -> None:
        """Check the settings; an error names the one to change."""
        if self.workers == 0:
            raise ConfigError(
                "trainer.workers=0: episodes are prepared ahead by threads of the training process, not by processes "
                "of their own; trainer.workers=1 is the least, and changes no number."
            )
        for name in ("steps", "batch_size", "accumulate", "validate_every", "log_every", "workers"):
            most = {"steps": MOST_STEPS, "workers": MOST_WORKERS}.get(name, LARGEST_SIZE)
            check_number(f"trainer.{name}", getattr(self, name), least=1, most=most, whole=True)
        check_number("trainer.warmup_steps", self.warmup_steps, least=0, most=MOST_STEPS, whole=True)
        for name in ("learning_rate", "pretrained_rate", "weight_decay", "max_grad_norm", "save_every_seconds"):
            check_number(f"trainer.{name}", getattr(self, name), least=0)
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"trainer.batch_size={self.batch_size} cannot be worked off in trainer.accumulate={self.accumulate} "
                "equal parts; choose a divisor."
            )

    def validates(self, done: int) -> bool:
        """Whether a validation follows after this many steps."""
        return done % self.validate_every == 0 or done == self.steps

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to 0 at the last step."""
        warmup = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / self.steps))


class Interrupted(BaseException):  # not an Exception, so that handlers of errors do not catch it
    """Raised when the training is asked to stop.

    Args:
        number: of the signal that asked for it; None if it was not a signal.
    """

    def __init__(self, number: int | None = None) -> None:
        super().__init__(number)
        self.number = number


def meta_train(
    learner: Learner[Any] | SequenceLearner,
    optimizer: torch.optim.Optimizer,
    sampler: Sampler,
    config: TrainerConfig,
    callbacks: Sequence[Callback] = (),
    start: int = 0,
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Train a learner to learn: the loop alone. `run_session` adds the record, checkpoints and validation of a run.

    Args:
        learner: to train, by its `loss`; it is on the device.
        optimizer: of its parameters, see `parameter_groups`.
        sampler: of the training episodes; step s takes episodes `[s * batch_size, (s + 1) * batch_size)`.
        config: settings.
        callbacks: called in this order, see `Callback`.
        start: training steps done before.
        shield: makes a context in which a request to stop is deferred, so that an update and its records are one unit.
    """
    device = choose_device(config.device, "trainer.device")
    precision = choose_precision(config.precision, device, "trainer.precision")
    loss_of: Callable[..., Loss] = torch.compile(learner.loss) if config.compile else learner.loss
    size = config.batch_size // config.accumulate
    first, last = start * config.batch_size, config.steps * config.batch_size
    batches = sampler.batches([range(index, index + size) for index in range(first, last, size)], config.workers)
    learner.train()
    for step in range(start, config.steps):
        for callback in callbacks:
            callback.before_step(step)
        parts = [next(batches).to(device) for _ in range(config.accumulate)]
        answers = sum(int((part.targets != PADDING).sum()) for part in parts)
        with seeded(step_seed(sampler.seed, step), device):  # dropout is a pure function of (seed, step) too
            for group in optimizer.param_groups:
                group["lr"] = config.rate(step) * group["share"]
            optimizer.zero_grad(set_to_none=True)
            loss = accuracy = 0.0
            for part in parts:
                with autocast(device, precision):
                    total, right = loss_of(part)
                part_loss = total / answers
                part_loss.backward()  # type: ignore[no-untyped-call]
                loss += part_loss.item()
                accuracy += right.item() / answers
            grad_norm = nn.utils.clip_grad_norm_(learner.parameters(), config.max_grad_norm).item()
            values = {"loss": loss, "accuracy": accuracy, "grad_norm": grad_norm, "learning_rate": config.rate(step)}
            for callback in callbacks:
                callback.before_update(step, values)
            with shield():
                optimizer.step()
                for callback in callbacks:
                    callback.after_update(step + 1, values)
            if step + 1 == config.steps:  # no further step computes the loss of the final parameters
                with autocast(device, precision):
                    loss = sum(loss_of(part)[0].item() for part in parts)
                for callback in callbacks:
                    callback.after_last_update(step + 1, loss)
        for callback in callbacks:
            callback.after_step(step + 1)


def step_seed(seed: int, step: int) -> int:
    """Seed of torch's random generators in a step."""
    return (seed * 1_000_003 + step) % 2**63
