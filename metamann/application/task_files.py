"""Task files: the memory of a task, its examples, and the hash of the weights, but no path to a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from metamann.application.tensor_archive import read_archive, write_archive
from metamann.episodes.episode import Classes
from metamann.errors import ConfigError, DataError, excerpt

if TYPE_CHECKING:
    from metamann.application.task import Task

STATE, EXAMPLES = "state.", "examples."


def save_task(task: Task, path: Path, examples: bool) -> None:
    """See `Task.save`."""
    tensors = {}
    if is_plain(task.state):
        tensors = {f"{STATE}{number}": tensor for number, tensor in enumerate(leaves(task.state))}
    elif not examples or task.examples is None:
        raise ConfigError(
            f"what {type(task.model.learner).__name__} learns is not kept in a file, it is learned anew from the "
            "examples; adapt with keep_examples, and save with examples=True."
        )
    if examples and task.examples is not None:
        packed = task.model.objects.pack(task.examples, task.labels)
        tensors |= {EXAMPLES + name: tensor for name, tensor in packed.items()}
    about = {"labels": list(task.labels), "weights": task.model.hash, "model": task.model.name}
    write_archive(path, "task", tensors, about)


def read_task(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], tuple[str, ...], str, str | None]:
    """Read state and examples by name, labels, hash of the weights and name of the model.

    Raises:
        DataError: if the file is no task file, or damaged.
    """
    tensors, about = read_archive(path, "task")
    labels, weights, name = about.get("labels"), about.get("weights"), about.get("model")
    named = isinstance(labels, list) and bool(labels) and all(isinstance(label, str) and label for label in labels)
    distinct = isinstance(labels, list) and named and len(set(labels)) == len(labels)
    if not isinstance(labels, list) or not distinct or not isinstance(weights, str) or not isinstance(name, str | None):
        raise DataError(f"{excerpt(path)} is a damaged task file (labels or model); save it again.")
    state = {key[len(STATE) :]: tensor for key, tensor in tensors.items() if key.startswith(STATE)}
    examples = {key[len(EXAMPLES) :]: tensor for key, tensor in tensors.items() if key.startswith(EXAMPLES)}
    if len(state) + len(examples) != len(tensors):
        raise DataError(f"{excerpt(path)} holds more than a task; save it again.")
    return state, examples, tuple(labels), weights, name


@contextmanager
def sound_state() -> Iterator[None]:
    """No gradients; and a state whose equations cannot be solved, which a damaged file can bring, is said to be so.

    Raises:
        DataError: if the state is such.
    """
    with torch.no_grad():
        try:
            yield
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
            raise DataError(
                "the state of this task holds numbers that no examples give: its file is damaged; adapt it again, and "
                "save it anew."
            ) from error


def is_plain(state: Any) -> bool:
    """Whether a state may be read from a file: besides its classes, it holds only real numbers and booleans.

    Integers may be indices, which a file could set out of range, and modules are no data.
    """
    if isinstance(state, Tensor):
        return state.is_floating_point() or state.dtype == torch.bool
    if isinstance(state, Classes):  # derived from the labels, with which they are compared
        return True
    return isinstance(state, tuple | list) and all(is_plain(part) for part in state)


def leaves(state: Any) -> list[Tensor]:
    """All tensors of a state, in the order of its fields."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in leaves(part)] if _is_tensors(state) else []


def rebuild_state(small: Any, large: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    """A state with the tensors of a file, in the structure of a state of the model.

    Args:
        small: state of the model after a few positions.
        large: state after more positions: axes in which the two differ grow with each write, all others are fixed.
        tensors: tensors of the file, by number.
        device: device of the model.

    Raises:
        ValueError: if a tensor is missing, superfluous, or of another type or shape.
    """
    if tensors.keys() != {str(number) for number in range(len(leaves(small)))}:
        raise ValueError("its state has other parts than that of its model")
    rest = iter([tensors[str(number)] for number in range(len(tensors))])

    def fill(few: Any, more: Any, grown: set[int]) -> Any:
        if isinstance(few, Tensor):
            tensor = next(rest)
            if tensor.dtype != few.dtype or tensor.dim() != few.dim():
                raise ValueError(f"a part of its state is {tensor.dtype} of shape {tuple(tensor.shape)}")
            for size, least, other in zip(tensor.shape, few.shape, more.shape, strict=True):
                if least == other and size != least:
                    raise ValueError(f"a part of its state has shape {tuple(tensor.shape)}")
                if least != other:
                    grown.add(size)
            return tensor.to(device)
        if not _is_tensors(few):
            return few
        sizes: set[int] = set()  # numbers of slots of one memory
        filled = [fill(one, other, sizes) for one, other in zip(few, more, strict=True)]
        if len(sizes) > 1:
            raise ValueError("parts of its state are of different lengths")
        if isinstance(few, Classes) and not all(map(torch.equal, leaves(few), leaves(tuple(filled)))):
            raise ValueError("the classes of its state are not those of its labels")
        return type(few)(*filled) if hasattr(few, "_fields") else type(few)(filled)

    return fill(small, large, set())


def _is_tensors(part: Any) -> bool:
    """Whether a part contains tensors; other values of a state are derived from the labels."""
    return isinstance(part, tuple | list) and any(isinstance(item, Tensor) or _is_tensors(item) for item in part)
