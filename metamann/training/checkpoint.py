"""Checkpoints: tensors and plain types in one file, which is written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

import metamann
from metamann.data.cache import serialised, write_atomically
from metamann.data.tensor_files import TensorFileError, read_tensors, tensor_fault
from metamann.errors import CheckpointError, TrainingError, excerpt, shorten
from metamann.training.plain import plain_fault

FORMAT = "metamann-checkpoint/1"
LARGEST = 1e15  # of steps, seconds and scores
FIRST_FILES = ("checkpoints", "metrics.jsonl")  # a run creates them before its first checkpoint


class Checkpoint(NamedTuple):
    """The state of a run: enough to resume it, or to evaluate its learner.

    Attributes:
        config: configuration of the run, plain types.
        fingerprints: of the data splits, by name.
        learner: parameters and buffers by name.
        optimizer: state of the optimizer; empty in `best.pt`.
        step: training steps done.
        best: the scores of the best learner so far, and its step.
        seconds: training time so far.
        version: of metamann that wrote the file.
        calibration: parameters that turn the learner's scores into probabilities, by name; empty if nothing was
            calibrated.

    Examples:
        >>> learner, path = nn.Linear(2, 1), Path("last.pt")
        >>> Checkpoint({}, {}, learner.state_dict(), {}, step=10, best={"accuracy": 0.9}, seconds=1.5).save(path)
        >>> checkpoint = load_checkpoint(path)
        >>> checkpoint.load_into(learner, path)
        >>> checkpoint.step, checkpoint.best
        (10, {'accuracy': 0.9})
    """

    config: dict[str, Any]
    fingerprints: dict[str, str]
    learner: dict[str, Tensor]
    optimizer: dict[str, Any]
    step: int
    best: dict[str, float]
    seconds: float
    version: str = metamann.__version__
    calibration: dict[str, float] = {}  # noqa: RUF012  # never changed in place

    def written_by(self) -> str:
        """For errors: the version that wrote the file, if it is not this one; otherwise empty."""
        return "" if self.version == metamann.__version__ else f" (written by metamann {excerpt(self.version)})"

    def save(self, path: Path) -> None:
        """Write the file atomically.

        Raises:
            TrainingError: if it cannot be written; an existing file is left unchanged.
        """
        content = {"format": FORMAT, **self._asdict(), "version": metamann.__version__}
        try:
            write_atomically(path, serialised(content))
        except OSError as error:
            raise save_error(path, error) from error

    def load_into(self, learner: nn.Module, path: Path) -> None:
        """Load the parameters and buffers into a learner.

        Raises:
            CheckpointError: if they do not fit the learner.
        """
        self._load(learner, self.learner, path, "learner", "encoder, memory and learner")

    def load_encoder_into(self, learner: nn.Module, path: Path) -> None:
        """Load the parameters of the encoder alone into the encoder of a learner.

        Raises:
            CheckpointError: if they do not fit the encoder, or the checkpoint has no encoder.
        """
        encoder = learner.get_submodule("encoder")
        parts = {name: tensor for name, tensor in self.learner.items() if name.startswith("encoder.")}
        if not parts:
            raise CheckpointError(f"{path} holds no trained encoder beside a memory; take that of another run.")
        self._load(encoder, {name.removeprefix("encoder."): t for name, t in parts.items()}, path, "encoder", "encoder")

    def _load(self, module: nn.Module, saved: dict[str, Tensor], path: Path, what: str, settings: str) -> None:
        try:
            module.load_state_dict(saved)
        except (RuntimeError, TypeError, ValueError) as error:
            first = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
            raise CheckpointError(
                f"{path}{self.written_by()} was saved by another {what} than this configuration builds "
                f"({shorten(first[0], 90)}); use the {settings} it was trained with."
            ) from error
        for name, tensor in module.state_dict().items():  # finite in the file, but maybe not in fewer bits
            fault = tensor_fault(tensor.cpu())
            if fault is not None:
                raise CheckpointError(f"{path} is refused: '{excerpt(name)}' {fault}. Use another of its run.")


def save_error(path: Path, error: OSError) -> TrainingError:
    """The error for a checkpoint that could not be written; it names the checkpoint to resume from."""
    last = path.with_name("last.pt")
    if last.is_file():
        remedy = f"{last} is intact. Mend that or make room, then go on with resume={path.parent.parent}."
    else:
        remedy = "the run has no checkpoint yet. Mend that or make room, then start it again."
    return TrainingError(f"checkpoint {path.name} cannot be saved ({error.strerror or error}); {remedy}")


def has_checkpoint(directory: Path) -> bool:
    """Whether a run directory holds a checkpoint; it has none if the run was killed before the first one."""
    return any((directory / "checkpoints" / name).is_file() for name in ("last.pt", "best.pt"))


def find_checkpoint(where: str, name: str = "best.pt") -> Path:
    """The checkpoint file of a run directory, or the file itself.

    Raises:
        CheckpointError: if there is none.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        preferred = [path / "checkpoints" / name, path / "checkpoints" / "last.pt"]
        if not has_checkpoint(path) and any((path / file).exists() for file in FIRST_FILES):
            raise CheckpointError(
                f"the run in {path} ended before its first checkpoint, and there is nothing to go on from; the same "
                "command that started it, without resume=, begins it anew."
            )
        path = next((file for file in preferred if file.is_file()), preferred[0])
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}; give a run directory of metamann-train, or a .pt file.")
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint as data: no code in it is executed, and its configuration is neither resolved nor instantiated.

    Raises:
        CheckpointError: if the file is corrupt or of another format, a part of it is missing or wrong, its
            configuration is not plain data, or parameters are not finite.
    """
    try:
        content = read_tensors(path)
    except TensorFileError as error:
        raise CheckpointError(
            f"{path} is corrupt, or no checkpoint of metamann ({excerpt(error)}): it is refused. Use another of its "
            "run, or train again."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), str):
        raise CheckpointError(f"{path} is no checkpoint of metamann: it does not say format {FORMAT}.")
    written_by = content["version"] if isinstance(content.get("version"), str) else "unknown"
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{path} was written by metamann {excerpt(written_by)} in the format {excerpt(content['format'])}, and "
            f"this is metamann {metamann.__version__}, which reads {FORMAT}; open it with the version that wrote it."
        )
    fault = next((fault for part in (*PARTS, *OPTIONAL) if (fault := _fault(part, content)) is not None), None)
    if fault is not None:
        by = "" if written_by == metamann.__version__ else f" (written by metamann {excerpt(written_by)})"
        raise CheckpointError(f"{path}{by} is refused: {fault}. Use another of its run, or train again.")
    parts = {part: content[part] for part in (*PARTS, *OPTIONAL) if part in content}
    return Checkpoint(**parts, version=written_by)


PARTS: dict[str, type | tuple[type, ...]] = {
    "config": dict,
    "fingerprints": dict,
    "learner": dict,
    "optimizer": dict,
    "step": int,
    "best": dict,
    "seconds": (int, float),
}
OPTIONAL = {"calibration": dict}  # parts that files of earlier versions lack


def _fault(part: str, content: dict[str, Any]) -> str | None:
    """The fault of one part of a file; None if it is valid."""
    if part not in content:
        return None if part in OPTIONAL else f"its part '{part}' is missing"
    value: Any = content[part]
    if not issubclass(type(value), {**PARTS, **OPTIONAL}[part]) or isinstance(value, bool):
        return f"its part '{part}' is of the kind {type(value).__name__}"
    if part == "learner":
        for name, tensor in value.items():
            fault = tensor_fault(tensor) if isinstance(name, str) else "has no name"
            if fault is not None:
                return f"'{excerpt(name)}' of its part 'learner' {fault}"
        return None
    if part == "optimizer":
        return _optimizer_fault(value)
    if part in ("step", "seconds"):
        return None if 0 <= value < LARGEST else f"its part '{part}' is {excerpt(value)}"
    fault = plain_fault(value)
    if fault is None and part in ("best", "calibration") and not all(map(_is_score, value.values())):
        fault = "a score is no number that a run can reach"
    if fault is None and part == "fingerprints" and not all(type(print_) is str for print_ in value.values()):
        fault = "a fingerprint is no text"
    return None if fault is None else f"its part '{part}' is no plain data: {excerpt(fault)}"


def _is_score(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST  # type: ignore[arg-type]  # it is one of the two


def _optimizer_fault(state: dict[Any, Any]) -> str | None:
    """The fault of the state of an optimizer; None if it is valid. `load_optimizer` checks its shapes."""
    if not state:
        return None  # of best.pt
    moments, groups = state.get("state"), state.get("param_groups")
    if not isinstance(moments, dict) or not isinstance(groups, list) or set(state) != {"state", "param_groups"}:
        return "its part 'optimizer' is no state of an optimizer"
    if not all(isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups):
        return "its part 'optimizer' has a wrong group of parameters"
    for number, values in moments.items():
        if not isinstance(values, dict):
            return f"its part 'optimizer' has a wrong state of parameter {excerpt(number)}"
        for name, value in values.items():
            fault = None if type(value) in (int, float) else tensor_fault(value)
            if fault is not None:
                return f"'{excerpt(name)}' of parameter {excerpt(number)} in its part 'optimizer' {fault}"
    return None
