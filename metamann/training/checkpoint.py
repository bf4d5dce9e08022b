"""Checkpoints: tensors and plain types in one file, written whole or not at all."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import metamann
from metamann.data.cache import serialised, write_atomically
from metamann.errors import CheckpointError, TrainingError

FORMAT = "metamann-checkpoint/1"


class Checkpoint(NamedTuple):
    """All that a run needs to go on, or an evaluation to begin.

    Attributes:
        config: the run's configuration, plain types.
        fingerprints: of the data splits, by name.
        learner: parameters and buffers by name.
        optimizer: state of the optimizer; empty in `best.pt`.
        step: training steps done.
        best: the scores that chose the best learner so far, and the step it was reached at.
        seconds: training time so far.
    """

    config: dict[str, Any]
    fingerprints: dict[str, str]
    learner: dict[str, Tensor]
    optimizer: dict[str, Any]
    step: int
    best: dict[str, float]
    seconds: float

    def save(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            TrainingError: if it cannot be written; the checkpoint that was there before is untouched.
        """
        content = {"format": FORMAT, "version": metamann.__version__, **self._asdict()}
        try:
            write_atomically(path, serialised(content))
        except OSError as error:
            raise unsaved(path, error) from error

    def load_into(self, learner: nn.Module, path: Path) -> None:
        """Give the learner these parameters.

        Raises:
            CheckpointError: if they are another learner's.
        """
        _load(learner, self.learner, path, "learner", "encoder, memory and learner")

    def load_encoder_into(self, learner: nn.Module, path: Path) -> None:
        """Give the learner's encoder the parameters of this one's.

        Raises:
            CheckpointError: if they are another encoder's, or there are none.
        """
        encoder = learner.get_submodule("encoder")
        parts = {name: tensor for name, tensor in self.learner.items() if name.startswith("encoder.")}
        if not parts:
            raise CheckpointError(f"{path} holds no trained encoder beside a memory; take that of another run.")
        _load(encoder, {name.removeprefix("encoder."): t for name, t in parts.items()}, path, "encoder", "encoder")


def unsaved(path: Path, error: OSError) -> TrainingError:
    """The error of a checkpoint that could not be written."""
    return TrainingError(
        f"checkpoint {path.name} cannot be saved ({error.strerror or error}); the one before is intact. Mend that or "
        f"make room, then go on with resume={path.parent.parent}."
    )


def _load(module: nn.Module, saved: dict[str, Tensor], path: Path, what: str, settings: str) -> None:
    try:
        module.load_state_dict(saved)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path} was saved by another {what} than this configuration builds; use the {settings} it was trained "
            f"with. {reason}"
        ) from error


def find_checkpoint(where: str, name: str = "best.pt") -> Path:
    """The checkpoint file of a run directory, or the file itself.

    Raises:
        CheckpointError: if there is none.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        preferred = [path / "checkpoints" / name, path / "checkpoints" / "last.pt"]
        path = next((file for file in preferred if file.is_file()), preferred[0])
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; give a run directory of metamann-train, or a .pt file.")
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running any code from it.

    Raises:
        CheckpointError: if the file is corrupt, foreign, or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch does not look at the checksums of its tensors
        if damaged:
            raise zipfile.BadZipFile(f"{damaged} has another checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message tells how to run the code that such a file holds
        raise CheckpointError(
            f"{path} holds more than tensors and plain types: it is refused, do not load it."
        ) from error
    except Exception as error:  # a damaged or foreign file can raise anything; the cause is kept
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is corrupt, or no checkpoint of metamann ({reason}); use another of its run, or train again."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format", "none") if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{path} is no checkpoint of metamann: expected format {FORMAT}, found {found}.")
    try:
        return Checkpoint(**{field: content[field] for field in Checkpoint._fields})
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}; it was not saved by metamann-train.") from error
