"""Open a task that was saved."""

from __future__ import annotations

from pathlib import Path

import torch

from metamann.application.model import Model
from metamann.application.task import Task
from metamann.application.task_files import is_plain, read_task, rebuilt
from metamann.errors import ConfigError, DataError, MetamannError, excerpt

FEW, MORE = 3, 4  # positions of the states that show how one is built


def load_task(path: str | Path, model: Model | None = None) -> Task:
    """A task of `Task.save`: it answers with the same bits.

    Args:
        path: of the file, which is data: nothing in it is run or built by name.
        model: whose weights the task was saved with.

    Raises:
        ConfigError: if the model is missing or has other weights.
        DataError: if the file is no task, or damaged.
    """
    file = Path(path)
    tensors, packed, labels, weights, name = read_task(file)
    wanted = f"the model {excerpt(name)}" if name else "a model of your own"
    if model is None:
        raise ConfigError(f"{excerpt(path)} needs {wanted} (weights {weights[:12]}); load it and give it as model=.")
    if model.hash != weights:
        raise ConfigError(
            f"{excerpt(path)} was saved with {wanted} of weights {excerpt(weights[:12])}, and this one has "
            f"{model.hash[:12]}; load the model that it was made with."
        )
    try:
        classes = model.objects.classes(labels).to(model.device)
        with torch.no_grad():
            small, large = (
                model.learner.adapt(model.objects.blank(size).to(model.device), classes) for size in (FEW, MORE)
            )
        examples = model.objects.unpack(packed, labels) if packed else None
        if examples is not None and set(model.objects.labels(examples)) != set(labels):
            raise ValueError("its examples do not have its labels")
        if is_plain(small):
            state = rebuilt(small, large, tensors, model.device)
        elif examples is None or tensors:
            raise ValueError("this model learns anew from the examples, and takes no state from a file")
        else:
            with torch.no_grad():
                support = model.objects.support(examples, labels).to(model.device)
                state = model.learner.adapt(support, classes)
    except MetamannError:
        raise
    except ValueError as error:
        raise DataError(f"{excerpt(path)} is a damaged task file ({excerpt(error)}); save it again.") from error
    return Task(model, labels, state, examples)
