"""Meta-training: sample episodes, adapt, predict, back-propagate the query loss through all of it."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamann.encoders.pretrained import PretrainedEncoder
from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentence_sampler import SentenceSampler
from metamann.episodes.sequences import SequenceSampler
from metamann.errors import LARGEST_SIZE, ConfigError, TrainingError, check_number
from metamann.hardware import autocast, choose_device, choose_precision
from metamann.learners.learner import Learner, Loss
from metamann.learners.sequence import SequenceLearner
from metamann.training.checkpoint import Checkpoint
from metamann.training.record import Record

MOST_STEPS = 10**7  # weeks, and their batches are listed before the first
MOST_WORKERS = 256
CHOSEN_BY = ("f1", "accuracy", "bits_per_sequence")


@dataclasses.dataclass(frozen=True)
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

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to 0 at the last step."""
        warmup = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return self.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / self.steps))


class Interrupted(Exception):  # noqa: N818  # no error: the run was asked to stop
    """SIGINT or SIGTERM came; `last.pt` was saved first. Holds the number of the signal."""


def meta_train(
    learner: Learner[Any] | SequenceLearner,
    sampler: Sampler | SentenceSampler | SequenceSampler,
    validate: Callable[[], dict[str, float]],
    config: TrainerConfig,
    record: Record,
    checkpoints: Path,
    identity: tuple[dict[str, Any], dict[str, str]],
    resumed: Checkpoint | None = None,
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
        resumed: where to go on from; the result is bit for bit that of a run never stopped.

    Raises:
        TrainingError: if a loss or gradient is not finite, or a checkpoint cannot be saved.
        Interrupted: on SIGINT or SIGTERM.
    """
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    learner.to(device).train()
    optimizer = torch.optim.AdamW(
        parameter_groups(learner, config.weight_decay, config.pretrained_rate), lr=config.learning_rate
    )
    loss_of: Callable[..., Loss] = torch.compile(learner.loss) if config.compile else learner.loss
    start, best, seconds = 0, {"step": 0.0}, 0.0
    if resumed is not None:
        start, best, seconds = resumed.step, resumed.best, resumed.seconds
        optimizer.load_state_dict(resumed.optimizer)
    record.open(start, seconds)

    def checkpoint(step: int, *, with_optimizer: bool) -> Checkpoint:
        state = optimizer.state_dict() if with_optimizer else {}
        return Checkpoint(*identity, learner.state_dict(), state, step, best, record.seconds)

    part_size = config.batch_size // config.accumulate
    parts = sampler.batches(
        [
            range(first, first + part_size)
            for first in range(start * config.batch_size, config.steps * config.batch_size, part_size)
        ],
        config.workers,
    )
    last_saved = time.monotonic()
    with record, stop_signals() as stop:
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
                raise TrainingError(
                    f"loss {loss} and gradient norm {grad_norm} at step {step} (seed {sampler.seed}, episodes "
                    f"{step * config.batch_size} to {(step + 1) * config.batch_size - 1}) are not finite. The last "
                    f"good checkpoint is in {checkpoints}. Lower trainer.learning_rate, or set trainer.precision=fp32."
                )
            optimizer.step()

            done = step + 1
            values = {"loss": loss, "accuracy": accuracy, "grad_norm": grad_norm, "learning_rate": config.rate(step)}
            record.train(done, values, write=done % config.log_every == 0 or done == config.steps)
            if done % config.validate_every == 0 or done == config.steps:
                scores = validate()
                learner.train()
                improved = better(scores, best)
                if improved:
                    best = {name: scores[name] for name in CHOSEN_BY if name in scores} | {"step": float(done)}
                    checkpoint(done, with_optimizer=False).save(checkpoints / "best.pt")
                record.validation(done, scores, best=improved)
            if stop or done == config.steps or time.monotonic() - last_saved >= config.save_every_seconds:
                checkpoint(done, with_optimizer=True).save(checkpoints / "last.pt")
                last_saved = time.monotonic()
            if stop and done < config.steps:
                raise Interrupted(stop[0])


def better(scores: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Higher F1 of sentences, accuracy of all else; where it is the same, and bits are counted, fewer of them."""
    chosen_by = "f1" if "f1" in scores else "accuracy"
    if chosen_by not in best:
        return True
    if scores[chosen_by] != best[chosen_by] or "bits_per_sequence" not in scores:
        return scores[chosen_by] > best[chosen_by]
    return scores["bits_per_sequence"] < best["bits_per_sequence"]


def parameter_groups(learner: nn.Module, weight_decay: float, pretrained_rate: float) -> list[dict[str, Any]]:
    """Parameters of AdamW: decay for matrices and convolutions, none for biases, gains and strengths.

    Args:
        learner: whose parameters are trained.
        weight_decay: of those that have it.
        pretrained_rate: share of the learning rate that the layers of a pretrained model take.
    """
    encoders = [module for module in learner.modules() if isinstance(module, PretrainedEncoder)]
    pretrained = {id(each) for encoder in encoders for each in encoder.model.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in learner.parameters():
        if parameter.requires_grad:
            share = pretrained_rate if id(parameter) in pretrained else 1.0
            groups.setdefault((weight_decay if parameter.dim() > 1 else 0.0, share), []).append(parameter)
    return [{"params": each, "weight_decay": decay, "share": share} for (decay, share), each in groups.items()]


def step_seed(seed: int, step: int) -> int:
    """Seed of torch's generator at a step."""
    return (seed * 1_000_003 + step) % 2**63


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that SIGINT and SIGTERM put their number in, so that a step ends before the run does."""
    received: list[int] = []
    handled = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda caught, _: received.append(caught)) for number in handled}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
