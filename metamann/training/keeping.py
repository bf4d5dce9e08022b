"""What a run keeps of its learner: `last.pt` to go on from, `best.pt` by validation. Only what is good is kept.

Parameters are good if they and all buffers are finite, and no trained one exceeds `LARGEST`. Adam moves a parameter by
about the learning rate in a step, so that no run whose rates add up to less than `LARGEST` comes near it. That they can
be gone on from shows in the next step, whose loss and gradient must be finite: until then `previous.pt`, the `last.pt`
before, is kept too, and takes its place if they are not.
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
from metamann.training.checkpoint import Checkpoint, load_checkpoint, unsaved
from metamann.training.log import note
from metamann.training.record import Record

LARGEST = 1000.0
BITS = "bits_per_sequence"  # of wrong answers: fewer are better


class Keeper:
    """Saves the checkpoints of a run.

    Args:
        folder: of the checkpoints; it is made.
        learner: what is trained.
        optimizer: that trains it.
        record: where validations are written down, and the training time stands.
        identity: configuration and data fingerprints.
        monitor: the score that chooses the best learner, see `better`.

    Attributes:
        best: the scores that chose the best learner so far, and the step it was reached at; step 0 if there is none.
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
            raise unsaved(self.last, error) from error

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, which `last.pt` holds.

        The best learner so far is the one that `best.pt` holds, as long as it was reached by this step, whether or not
        `last.pt` knows of it: a run may have been stopped between the two files. Where the file is missing or cannot
        be read, the best learner is chosen anew, which is noted.
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
        """Save what the run can be gone on from.

        Raises:
            TrainingError: if the parameters are not good, the file cannot be written, or its directory was deleted.
        """
        self.check(step)
        if self._step_of_last not in (None, step):
            self._set_aside()
        self._checkpoint(step, self._optimizer.state_dict()).save(self.last)
        self._step_of_last = step

    def judge(self, step: int, scores: Mapping[str, float]) -> None:
        """Write a validation down, and save the learner if it is the best so far.

        Raises:
            TrainingError: if a score is not finite, a file cannot be written, or the directory was deleted.
        """
        chosen_by = {name: scores[name] for name in (self._monitor, BITS) if name in scores}
        if not all(map(math.isfinite, chosen_by.values())):
            raise self.blown_up(f"the validation at step {step} gives {dict(scores)}")
        improved = better(scores, self.best, self._monitor)
        if improved:
            self.best = chosen_by | {"step": float(step)}
            self._checkpoint(step, {}).save(self._best_path)
        self._record.validation(step, scores, best=improved)

    def check(self, step: int) -> None:
        """Refuse parameters that are not good.

        Raises:
            TrainingError: with the name of the worst of them.
        """
        fault = fault_of(self._learner)
        if fault is not None:
            raise self.blown_up(f"the parameters blew up by step {step}: {fault}")

    def refused(self, step: int) -> None:
        """Take the parameters of a step for bad, whose loss or gradient turned out not to be finite."""
        if step == self._step_of_last and self.previous.is_file():
            self._record.check_in_place()
            self.previous.replace(self.last)

    def blown_up(self, what: str) -> TrainingError:
        """The error that says what happened, and where to go on from."""
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
        """Remove what is needed no longer once the last step is done."""
        self.previous.unlink(missing_ok=True)

    def _checkpoint(self, step: int, optimizer: dict[str, Any]) -> Checkpoint:
        self._record.check_in_place()
        if not self.last.parent.is_dir():
            raise TrainingError(f"{self.last.parent} was deleted while the run wrote into it; run it again.")
        return Checkpoint(*self._identity, self._learner.state_dict(), optimizer, step, self.best, self._record.seconds)

    def _set_aside(self) -> None:
        """Keep `last.pt` as `previous.pt` too: a second name, or a copy where files have but one."""
        new = self.previous.with_name(f".{self.previous.name}.link")
        try:
            new.unlink(missing_ok=True)
            try:
                os.link(self.last, new)
            except FileNotFoundError:
                return  # the directory was deleted, which is noticed next
            except OSError:
                shutil.copyfile(self.last, new)
            new.replace(self.previous)
        except OSError as error:
            raise unsaved(self.last, error) from error


def _shapes(checkpoint: Checkpoint) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in checkpoint.learner.items()}


def fault_of(learner: nn.Module) -> str | None:
    """Why the parameters of a learner are not good; None if they are."""
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


def better(scores: Mapping[str, float], best: Mapping[str, float], monitor: str) -> bool:
    """Whether a learner is better than the best so far.

    Args:
        scores: of its validation.
        best: those that chose the best so far; without the monitored one there is none yet.
        monitor: name of the score that is to be high. Where it is the same and bits are counted, fewer are better.
    """
    if monitor not in best:
        return True
    if scores[monitor] != best[monitor] or BITS not in scores:
        return scores[monitor] > best[monitor]
    return scores[BITS] < best[BITS]
