"""A trained learner, which is adapted to tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from metamann.application.model_files import ModelAbout, save_model_file
from metamann.application.task import Task
from metamann.learners.learner import Learner
from metamann.modalities.task_objects import Objects


class Model:
    """A trained learner with the conversion of Python objects to its inputs; none of its methods changes it.

    Args:
        learner: a trained learner; it is set to evaluation mode.
        objects: conversion of Python objects of its kind of input.
        settings: plain data from which the learner can be built.
        card: description for users.
        name: name of a shipped model; None otherwise.
        calibration: `temperature` and its statistics; None if scores are not calibrated.
        most_labels: largest number of labels that the learner can predict; None without a limit.

    Examples:
        >>> from metamann.encoders.identity import IdentityEncoder
        >>> from metamann.episodes.items.protocols import LabelCodes
        >>> from metamann.learners.mann import MANN
        >>> from metamann.memory.pairs.prototypes import PrototypeMemory
        >>> from metamann.modalities.item_objects import ItemObjects, Rows
        >>> learner = MANN(IdentityEncoder(2), PrototypeMemory(features=2, code_width=5), code_width=5)
        >>> model = Model(learner, ItemObjects(Rows(2), LabelCodes(), max_ways=5))
        >>> model.adapt({"up": [[0.0, 1.0]], "right": [[1.0, 0.0]]}).labels
        ('up', 'right')
    """

    def __init__(
        self,
        learner: Learner[Any],
        objects: Objects,
        *,
        settings: Mapping[str, Any] | None = None,
        card: str = "",
        name: str | None = None,
        calibration: Mapping[str, float] | None = None,
        most_labels: int | None = None,
    ) -> None:
        self.learner, self.objects = learner.eval(), objects
        self.settings, self.card, self.name = dict(settings or {}), card, name
        self.calibration, self.most_labels = calibration, most_labels
        self.device = next((tensor.device for tensor in learner.state_dict().values()), torch.device("cpu"))
        self.hash = hash_of_weights(learner)

    @property
    def temperature(self) -> float:
        """The divisor of log-probabilities; 1 if the model is not calibrated."""
        return 1.0 if self.calibration is None else float(self.calibration["temperature"])

    def adapt(self, examples: Any, *, keep_examples: bool = True) -> Task:
        """Adapt to labelled examples, without training.

        Args:
            examples: labelled objects: `{label: [item, ...]}`, pairs `(item, label)` or a folder of items; pairs
                `(text, [(start, end, label), ...])` or a labelled file of sentences.
            keep_examples: store the examples in the task; without them it may be unable to forget or to add.

        Raises:
            DataError: if the examples are not valid, or have more labels than the model can predict.
        """
        return Task.of(self, examples, keep_examples)

    def save(self, path: str | Path) -> None:
        """Write a model file with weights, settings and card, for `metamann.load`.

        Raises:
            DataError: if the file cannot be written.
        """
        about = ModelAbout(self.settings, self.card, self.name, self.calibration)
        save_model_file(Path(path), self.learner.state_dict(), about)


def hash_of_weights(learner: Learner[Any]) -> str:
    """SHA-256 of names, types, shapes and bits of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(learner.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
