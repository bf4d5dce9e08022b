"""The examples from which an answer of a task was read, with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metamann.application.task_files import sound_state
from metamann.errors import ConfigError
from metamann.modalities.explanations import Explanation, SentenceExplanation

if TYPE_CHECKING:
    from metamann.application.task import Task


def explain(task: Task, query: Any) -> Explanation | SentenceExplanation:
    """See `Task.explain`."""
    objects, learner, examples = task.model.objects, task.model.learner, task.examples
    if examples is None:
        raise ConfigError("this task does not keep its examples, so it cannot name them; adapt with keep_examples.")
    read, (answer,) = objects.read_query(query), task.predict([query])
    with sound_state():
        explanation = objects.explain(learner, task.state, read, answer, examples)
    if explanation is None:
        raise ConfigError(
            f"{type(learner).__name__} cannot say which examples it read, as its memory keeps no single ones; take a "
            "model with memory=keyvalue, nearest, prototypes or ridge."
        )
    return explanation
