"""Loading of saved tasks."""

from __future__ import annotations

from pathlib import Path

import torch

from metamann.application.model import Model
from metamann.application.task import Task
from metamann.application.task_files import is_plain, read_task, rebuild_state
from metamann.errors import ConfigError, DataError, MetamannError, excerpt

FEW, MORE = 3, 4  # positions of two blank states, from which the shapes of a state are derived


def load_task(path: str | Path, model: Model | None = None) -> Task:
    """Load a task that was saved with `Task.save`; its answers are bit for bit the same.

    Args:
        path: of the file, which is read as data: nothing in it is run or built by name.
        model: the model of the task, with the same weights.

    Raises:
        ConfigError: if the model is missing or has other weights.
        DataError: if the file is no task, or damaged.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.episodes.items.protocols import LabelCodes
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.prototypes import PrototypeMemory
        >>> from metamann.modalities.item_objects import ItemObjects, Rows
        >>> learner = MANN(IdentityEncoder(2), PrototypeMemory(features=2, code_width=5), code_width=5)
        >>> model = Model(learner, ItemObjects(Rows(2), LabelCodes(), max_ways=5))
        >>> model.adapt({"up": [[0.0, 1.0]], "right": [[1.0, 0.0]]}).save("directions.task")
        >>> load_task("directions.task", model).predict([0.1, 0.9]).label
        'up'
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
            state = rebuild_state(small, large, tensors, model.device)
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
