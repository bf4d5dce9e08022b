"""Which examples a memory read for an item, and with what weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from matplotlib.figure import Figure

from metamann.errors import ConfigError

if TYPE_CHECKING:
    from metamann.application.task import Task

MOST_DRAWN = 8


class ReadExample(NamedTuple):
    """An example that was read.

    Attributes:
        number: in `Task.examples`.
        label: its name.
        weight: share of the read.
        item: the example as the model sees it.
    """

    number: int
    label: str
    weight: float
    item: Any


class Explanation(NamedTuple):
    """What an answer comes from.

    Attributes:
        answer: of the task.
        examples: that were read, the highest weight first.
    """

    answer: Any
    examples: tuple[ReadExample, ...]

    def plot(self) -> Figure:
        """The examples of the highest weights: pictures as they are seen, other items as bars."""
        shown = self.examples[:MOST_DRAWN]
        figure = Figure(figsize=(1.6 * len(shown), 2.2), layout="constrained")
        for axes, example in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            if example.item.dim() == 3:
                axes.imshow(example.item[0].numpy(), cmap="gray_r")
            else:
                axes.bar(range(example.item.numel()), example.item.flatten().numpy())
            axes.set_title(f"{example.label}\n{example.weight:.2f}")
            axes.set_axis_off()
        return figure


def explain(task: Task, query: Any) -> Explanation:
    """See `Task.explain`."""
    learner, objects, examples = task.model.learner, task.model.objects, task.examples
    memory = getattr(learner, "memory", None)
    read_weights = getattr(memory, "read_weights", None)
    if examples is None or read_weights is None:
        raise ConfigError(
            "this task cannot say which examples it read: its memory keeps no single ones, or they were not kept. Take "
            "a model with memory=keyvalue and keep_examples."
        )
    item = objects.read_query(query)
    with torch.no_grad():
        features = learner.encode(objects.inputs([item]).to(task.model.device))
        weights = read_weights(task.state.memory, features)[0, 0].tolist() if isinstance(features, torch.Tensor) else []
    if len(weights) != len(examples):
        raise ConfigError("this memory does not keep one slot for each example, so no example can be named.")
    read = [
        ReadExample(number, example.label, weight, example.item)
        for number, (example, weight) in enumerate(zip(examples, weights, strict=True))
    ]
    return Explanation(task.predict([query])[0], tuple(sorted(read, key=lambda each: -each.weight)))
