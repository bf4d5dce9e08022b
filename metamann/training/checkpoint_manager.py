"""The checkpoints of a run: `last.pt` to resume from, and `best.pt`, the best learner by validation.

Only valid parameters are saved. They are valid if all parameters and buffers are finite, and no trained parameter
exceeds `LARGEST`. Adam moves a parameter by about the learning rate in a step, so that a run whose learning rates add
up to less than `LARGEST` stays below it. The next step shows whether training can continue from valid parameters: its
loss and gradient must be finite. Until then the `last.pt` before is retained as `previous.pt`, and replaces `last.pt`
if they are not finite.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamann.errors import CheckpointError, TrainingError
from metamann.training.checkpoint import Checkpoint, load_checkpoint, save_error
from metamann.training.log import note
from metamann.training.record import Record

LARGEST = 1000.0
BITS = "bits_per_sequence"  # of wrong answers: fewer are better


class CheckpointManager:
    """Saves the last and the best checkpoint of a run.

    Args:
        folder: of the checkpoints; it is created.
        learner: to save.
        optimizer: of the learner.
        record: of the run; validations are written to it, and it measures the training time.
        identity: configuration and data fingerprints.
        monitor: name of the score that selects the best learner, see `is_better`.

    Attributes:
        last: path of `last.pt`.
        previous: path of `previous.pt`.
        best: the scores of the best learner so far, and its step; step 0 if there is none.

    Examples:
        >>> from metamann.training.dashboards import Mirrors
        >>> learner, record = nn.Linear(2, 1), Record(Path("."), Mirrors({}), steps=10, episodes_per_step=1)
        >>> optimizer = torch.optim.AdamW(learner.parameters())
        >>> with record:
        ...     record.open(start=0, seconds=0.0)
        ...     manager = CheckpointManager(Path("checkpoints"), learner, optimizer, record, ({}, {}), "accuracy")
        ...     manager.save_if_best(10, {"accuracy": 0.9})
        >>> load_checkpoint(Path("checkpoints/best.pt")).best
        {'accuracy': 0.9, 'step': 10.0}
    """

    def __init__(
        self,
        folder: Path,
        learner: nn.Module,
        optimizer: torch.optim.Optimizer,
        record: Record,
        identity: tuple[dict[str, Any], dict[str, str]],
        monitor: str,
    ) -> None:
        self.last, self.previous, self._best_path = (folder / f"{name}.pt" for name in ("last", "previous", "best"))
        self.best: dict[str, float] = {"step": 0.0}
        self._learner, self._optimizer, self._record, self._identity = learner, optimizer, record, identity
        self._monitor = monitor
        self._step_of_last: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise save_error(self.last, error) from error

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, which `last.pt` holds.

        The best learner so far is the one in `best.pt`, if its step is not later than that of the checkpoint. The
        scores in `last.pt` may be older, because a run can be stopped after `best.pt` is written and before `last.pt`
        is. If `best.pt` is missing or cannot be read, the best learner is selected anew, and a note says so.
        """
        self.best, self._step_of_last = checkpoint.best, checkpoint.step
        if not checkpoint.best.get("step") and not self._best_path.exists():
            return
        try:
            best = load_checkpoint(self._best_path)
            if _shapes(best) != _shapes(checkpoint):
                raise CheckpointError("it is another learner's")
        except CheckpointError:
            note(f"{self._best_path} is missing, damaged or another's: the best is chosen anew")
            self.best = {"step": 0.0}
        else:
            if best.step <= checkpoint.step:
                self.best = best.best

    def save_last(self, step: int) -> None:
        """Save `last.pt`, from which the run can be resumed.

        Raises:
            TrainingError: if the parameters are not valid, the file cannot be written, or its directory was deleted.
        """
        self.check(step)
        if self._step_of_last not in (None, step):
            self._back_up_last()
        self._checkpoint(step, self._optimizer.state_dict()).save(self.last)
        self._step_of_last = step

    def save_if_best(self, step: int, scores: Mapping[str, float]) -> None:
        """Write a validation to the record, and save the learner if it is the best so far.

        Raises:
            TrainingError: if a score is not finite, a file cannot be written, or the directory was deleted.
        """
        criteria = {name: scores[name] for name in (self._monitor, BITS) if name in scores}
        if not all(map(math.isfinite, criteria.values())):
            raise self.divergence_error(f"the validation at step {step} gives {dict(scores)}")
        improved = is_better(scores, self.best, self._monitor)
        if improved:
            self.best = criteria | {"step": float(step)}
            self._checkpoint(step, {}).save(self._best_path)
        self._record.validation(step, scores, best=improved)

    def check(self, step: int) -> None:
        """Check that the parameters are valid.

        Raises:
            TrainingError: with the name of the first parameter or buffer that is not.
        """
        fault = parameter_fault(self._learner)
        if fault is not None:
            raise self.divergence_error(f"the parameters blew up by step {step}: {fault}")

    def restore_previous(self, step: int) -> None:
        """Replace `last.pt` by `previous.pt` if it holds the parameters of a step whose loss is not finite."""
        if step == self._step_of_last and self.previous.is_file():
            self._record.check_in_place()
            self.previous.replace(self.last)

    def divergence_error(self, what: str) -> TrainingError:
        """The error that says what happened, and how to resume the run."""
        if not self.last.is_file():
            return TrainingError(
                f"{what}. The run has no checkpoint yet: start with a lower trainer.learning_rate, or "
                "trainer.precision=fp32."
            )
        return TrainingError(
            f"{what}. {self.last} holds good parameters: resume= with a lower trainer.learning_rate, or "
            "trainer.precision=fp32."
        )

    def close(self) -> None:
        """Delete `previous.pt`, which is not needed after the last step."""
        self.previous.unlink(missing_ok=True)

    def _checkpoint(self, step: int, optimizer: dict[str, Any]) -> Checkpoint:
        self._record.check_in_place()
        if not self.last.parent.is_dir():
            raise TrainingError(f"{self.last.parent} was deleted while the run wrote into it; run it again.")
        return Checkpoint(*self._identity, self._learner.state_dict(), optimizer, step, self.best, self._record.seconds)

    def _back_up_last(self) -> None:
        """Make `previous.pt` a hard link to `last.pt`, or a copy on file systems without hard links."""
        new = self.previous.with_name(f".{self.previous.name}.link")
        try:
            new.unlink(missing_ok=True)
            try:
                os.link(self.last, new)
            except FileNotFoundError:
                return  # the directory was deleted, and writing the checkpoint raises the error
            except OSError:
                shutil.copyfile(self.last, new)
            new.replace(self.previous)
        except OSError as error:
            raise save_error(self.last, error) from error


def _shapes(checkpoint: Checkpoint) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in checkpoint.learner.items()}


def parameter_fault(learner: nn.Module) -> str | None:
    """The reason why the parameters of a learner are not valid; None if they are."""
    trained = {name for name, parameter in learner.named_parameters() if parameter.requires_grad}
    for name, value in learner.state_dict().items():
        if not value.is_floating_point() or not value.numel():
            continue
        size = float(value.detach().abs().max())
        if not math.isfinite(size):
            return f"{name} is not finite"
        if name in trained and size > LARGEST:
            return f"{name} has grown to {size:.3g}, over {LARGEST:g}"
    return None


def is_better(scores: Mapping[str, float], best: Mapping[str, float], monitor: str) -> bool:
    """Whether a learner is better than the best so far.

    Args:
        scores: of its validation.
        best: scores of the best learner so far; there is none if the monitored score is missing.
        monitor: name of the score to maximise. If it is equal and wrong bits are counted, fewer of them are better.
    """
    if monitor not in best:
        return True
    if scores[monitor] != best[monitor] or BITS not in scores:
        return scores[monitor] > best[monitor]
    return scores[BITS] < best[BITS]
