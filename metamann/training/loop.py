"""Meta-training: sample episodes, adapt, predict, back-propagate the query loss through all of it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamann.encoders.pretrained import PretrainedEncoder
from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.errors import LARGEST_SIZE, CheckpointError, ConfigError, check_number, excerpt
from metamann.hardware import autocast, choose_device, choose_precision
from metamann.learners.learner import Learner, Loss
from metamann.learners.sequence import SequenceLearner
from metamann.training.checkpoint import Checkpoint
from metamann.training.keeping import Keeper
from metamann.training.record import Record

MOST_STEPS = 10**7  # weeks, and their batches are listed before the first
MOST_WORKERS = 256


@dataclasses.dataclass
class TrainerConfig:
    """Settings of the outer loop.

    Attributes:
        steps: optimizer steps.
        batch_size: episodes of a step.
        accumulate: parts that a step's episodes are worked off in, for less memory; the gradient is the same.
        learning_rate: highest rate of AdamW, reached after the warm-up, then down a cosine to 0.
        warmup_steps: of linear warm-up.
        pretrained_rate: what the layers of a pretrained model take of the rate.
        weight_decay: of AdamW, for matrices and convolutions only.
        max_grad_norm: gradients are clipped to this norm.
        precision: `auto`, `fp32` or `bf16`, of the encoder.
        device: `auto`, or a name of torch.
        compile: pass the learner through `torch.compile`.
        validate_every: steps between validations on held-out classes; the last step is always validated.
        log_every: steps between lines of the record.
        save_every_seconds: between writes of `last.pt`; 0 writes it after every step.
        workers: threads that prepare episodes ahead.
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
        """Refuse settings that cannot be followed, with the one to change."""
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
        """Whether a validation follows when this many steps are done."""
        return done % self.validate_every == 0 or done == self.steps

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to 0 at the last step."""
        warmup = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / self.steps))


class Interrupted(BaseException):  # no error, and nothing that handles errors is to handle it
    """Whoever runs the training was asked to stop. Holds the number of the signal."""


def meta_train(
    learner: Learner[Any] | SequenceLearner,
    sampler: Sampler,
    validate: Callable[[], dict[str, float]],
    config: TrainerConfig,
    record: Record,
    checkpoints: Path,
    identity: tuple[dict[str, Any], dict[str, str]],
    resumed: Checkpoint | None = None,
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Train a learner to learn. The best learner by validation is kept in `best.pt`.

    Args:
        learner: what is trained, by its `loss`.
        sampler: deals the training episodes: step s takes episodes `[s * batch_size, (s + 1) * batch_size)`.
        validate: scores of the learner on held-out classes, which choose the best, see `better`.
        config: settings.
        record: where it is written down.
        checkpoints: folder of `last.pt` and `best.pt`.
        identity: configuration and data fingerprints, for the checkpoints.
        resumed: where to go on from, already loaded into the learner; the result is bit for bit that of a run never
            stopped.
        shield: gives a context that `Interrupted` is not raised in. Outside of it, it may be raised at any time:
            `last.pt` is saved, and it is raised on.

    Raises:
        TrainingError: if a loss, a gradient or the parameters are not good, see `keeping`, or a file cannot be written.
        CheckpointError: if the state of the optimizer is not one of this learner.
        Interrupted: as soon as it is raised in here.
    """
    device = choose_device(config.device, "trainer.device")
    precision = choose_precision(config.precision, device, "trainer.precision")
    learner.to(device).train()
    optimizer = torch.optim.AdamW(
        parameter_groups(learner, config.weight_decay, config.pretrained_rate), lr=config.learning_rate
    )
    loss_of: Callable[..., Loss] = torch.compile(learner.loss) if config.compile else learner.loss
    keeper = Keeper(checkpoints, learner, optimizer, record, identity)
    start = 0
    if resumed is not None:
        start = resumed.step
        load_optimizer(optimizer, resumed.optimizer)
        keeper.resume(resumed)
    record.open(start, 0.0 if resumed is None else resumed.seconds)

    part_size = config.batch_size // config.accumulate
    parts = sampler.batches(
        [
            range(first, first + part_size)
            for first in range(start * config.batch_size, config.steps * config.batch_size, part_size)
        ],
        config.workers,
    )
    done, last_saved = start, time.monotonic()
    with record:
        try:
            if start == 0:
                keeper.save_last(0)
            elif config.validates(start) and (record.last_validation < start or keeper.best["step"] == 0):
                scores = validate()  # in which it was stopped
                learner.train()
                with shield():
                    keeper.judge(start, scores)
                    keeper.save_last(start)
            for step in range(start, config.steps):
                torch.manual_seed(step_seed(sampler.seed, step))  # dropout too is a pure function of (seed, step)
                for group in optimizer.param_groups:
                    group["lr"] = config.rate(step) * group["share"]
                optimizer.zero_grad(set_to_none=True)
                batch = [next(parts).to(device) for _ in range(config.accumulate)]
                answers = sum(int((part.targets != PADDING).sum()) for part in batch)
                loss = accuracy = 0.0
                for part in batch:
                    with autocast(device, precision):
                        total, right = loss_of(part)
                    part_loss = total / answers
                    part_loss.backward()  # type: ignore[no-untyped-call]
                    loss += part_loss.item()
                    accuracy += right.item() / answers
                grad_norm = nn.utils.clip_grad_norm_(learner.parameters(), config.max_grad_norm).item()
                if not math.isfinite(loss + grad_norm):
                    keeper.refused(step)
                    raise keeper.blown_up(
                        f"loss {loss:g} and gradient norm {grad_norm:g} of step {step} (seed {sampler.seed}, episodes "
                        f"{step * config.batch_size} to {(step + 1) * config.batch_size - 1}) are not finite"
                    )
                values = {
                    "loss": loss,
                    "accuracy": accuracy,
                    "grad_norm": grad_norm,
                    "learning_rate": config.rate(step),
                }
                with shield():
                    optimizer.step()
                    done = step + 1
                    record.train(done, values, write=done % config.log_every == 0 or done == config.steps)
                if done == config.steps:  # no step follows that would find the loss of these parameters
                    with autocast(device, precision):
                        loss = sum(loss_of(part)[0].item() for part in batch)
                    if not math.isfinite(loss):
                        raise keeper.blown_up(f"the loss after the last step, {done}, is {loss:g}")
                if config.validates(done):
                    keeper.check(done)
                    scores = validate()
                    learner.train()
                    with shield():
                        keeper.judge(done, scores)
                if done == config.steps or time.monotonic() - last_saved >= config.save_every_seconds:
                    with shield():
                        keeper.save_last(done)
                    last_saved = time.monotonic()
        except Interrupted:
            with shield():
                keeper.save_last(done)
            raise
    keeper.close()


def parameter_groups(learner: nn.Module, weight_decay: float, pretrained_rate: float) -> list[dict[str, Any]]:
    """Parameters of AdamW: decay for matrices and convolutions, none for biases, gains and strengths.

    Which parameters make a group does not depend on the numbers, which may change when a run is resumed.

    Args:
        learner: whose parameters are trained.
        weight_decay: of those that have it.
        pretrained_rate: share of the learning rate that the layers of a pretrained model take.
    """
    encoders = [module for module in learner.modules() if isinstance(module, PretrainedEncoder)]
    pretrained = {id(each) for encoder in encoders for each in encoder.model.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in learner.parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter.dim() > 1, id(parameter) in pretrained), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "share": pretrained_rate if is_pretrained else 1.0,
        }
        for (decays, is_pretrained), parameters in groups.items()
    ]


def load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Give an optimizer the moments that were saved; its settings stay its own.

    Raises:
        CheckpointError: if they are not of these parameters.
    """
    settings = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(saved)
        for parameter, state in optimizer.state.items():
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")) or state["step"] < 0:
                raise ValueError("moments of another shape")
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"the optimizer's state in last.pt is not one of these parameters ({excerpt(error)}): start a new run "
            "without resume=."
        ) from error
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)


def step_seed(seed: int, step: int) -> int:
    """Seed of torch's generator at a step."""
    return (seed * 1_000_003 + step) % 2**63
