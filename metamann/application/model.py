"""A trained learner as a person holds it."""

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
    """Weights, and what turns Python objects into their inputs; nothing that is done with it changes it.

    Args:
        learner: trained; it is put in evaluation mode once, here.
        objects: of the kind of input that the learner reads.
        settings: plain data that the learner can be built from again.
        card: what it is and what it can do, for people.
        name: of a model that is shipped; None otherwise.
        calibration: `temperature` and how it was found; None where scores are the learner's own.
        most_labels: that the learner can name; None where it grows with the task.

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
        """That scores are divided by; 1 where the model is not calibrated."""
        return 1.0 if self.calibration is None else float(self.calibration["temperature"])

    def adapt(self, examples: Any, *, keep_examples: bool = True) -> Task:
        """A task of these labels, without training.

        Args:
            examples: labelled objects: `{label: [item, ...]}`, pairs `(item, label)` or a folder of items; pairs
                `(text, [(start, end, label), ...])` or a labelled file of sentences.
            keep_examples: with the task; without them it cannot forget, nor always add.

        Raises:
            DataError: if they are none, or more labels than the model can name; the message names the fix.
        """
        return Task.of(self, examples, keep_examples)

    def save(self, path: str | Path) -> None:
        """Write one small file to give away: weights, settings and card.

        Raises:
            DataError: if it cannot be written.
        """
        about = ModelAbout(self.settings, self.card, self.name, self.calibration)
        save_model_file(Path(path), self.learner.state_dict(), about)


def hash_of_weights(learner: Learner[Any]) -> str:
    """sha256 over names, kinds, shapes and bits of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(learner.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
