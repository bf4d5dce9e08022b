"""metamann: networks with an external memory that learn a new task from a handful of labelled examples.

model = metamann.load("outputs/quickstart/run")           # a trained learner
task = model.adapt({"cat": [image, image], "dog": [image]})   # a write into memory, no training
task.predict([image])                                     # [Prediction(label="cat", score=0.93, ...)]

settings = metamann.settings("quickstart")                # of conf/, changed by dotted names
run = metamann.train(settings, "runs/mine")               # meta-training
run.evaluate()                                            # on new classes
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metamann.application.audit import audit_code as audit
    from metamann.application.comparison import compare_runs as compare
    from metamann.application.compose import settings
    from metamann.application.continual import teach_tasks as continual
    from metamann.application.load import load
    from metamann.application.loading import load_task
    from metamann.application.model import Model
    from metamann.application.parts import choice
    from metamann.application.resume import resume
    from metamann.application.run import Run
    from metamann.application.settings import (
        AuditSettings,
        ComparisonSettings,
        ContinualSettings,
        EvaluationSettings,
        TrainSettings,
    )
    from metamann.application.task import Task
    from metamann.application.train import train

__version__ = version("metamann")

# names are imported on first use, so that a bare `import metamann` is fast
_PUBLIC = {
    "AuditSettings": "settings.AuditSettings",
    "ComparisonSettings": "settings.ComparisonSettings",
    "ContinualSettings": "settings.ContinualSettings",
    "EvaluationSettings": "settings.EvaluationSettings",
    "Model": "model.Model",
    "Run": "run.Run",
    "Task": "task.Task",
    "TrainSettings": "settings.TrainSettings",
    "audit": "audit.audit_code",
    "choice": "parts.choice",
    "compare": "comparison.compare_runs",
    "continual": "continual.teach_tasks",
    "load": "load.load",
    "load_task": "loading.load_task",
    "resume": "resume.resume",
    "settings": "compose.settings",
    "train": "train.train",
}
__all__ = [
    "AuditSettings", "ComparisonSettings", "ContinualSettings", "EvaluationSettings", "Model", "Run", "Task",
    "TrainSettings", "audit", "choice", "compare", "continual", "load", "load_task", "resume", "settings", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name on first use.

    Raises:
        AttributeError: for any other name.
    """
    if name not in _PUBLIC:
        raise AttributeError(f"module 'metamann' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(".")
    value = getattr(importlib.import_module(f"metamann.application.{module}"), attribute)
    globals()[name] = value
    return value
