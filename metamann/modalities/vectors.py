"""Vectors: rows of features out of any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from metamann.data.store import DataSplits
from metamann.encoders.scaling import Scaling
from metamann.errors import ConfigError
from metamann.modalities.item_objects import Reader, Rows
from metamann.modalities.items import LEARNERS, MEMORIES, Items
from metamann.modalities.modality import Fits


class Vectors(Items):
    """Rows of one width; the encoder takes the width from the data, and standardises by the training classes.

    Examples:
        >>> Vectors().fits["data"]
        ('vectors',)
    """

    name = "vectors"
    fits: ClassVar[Fits] = {
        "data": ("vectors",),
        "protocol": ("nway", "stream"),
        "encoder": ("identity", "mlp"),
        "memory": MEMORIES,
        "learner": LEARNERS,
        "adapter": ("linear_head", "finetuned", "majority", "blind", "carried"),
    }

    def completed(self, nodes: Mapping[str, Any], splits: DataSplits) -> Mapping[str, Any]:
        """The encoder is built for the width of the rows."""
        encoder, width = nodes["encoder"], splits.train.items.shape[1]
        if not isinstance(encoder, Mapping):
            return nodes
        key = _width_key(encoder)
        given = encoder.get(key)
        if given not in (None, width):
            raise ConfigError(f"encoder.{key}={given}, but rows have {width} numbers; leave it out: data say it.")
        return {**nodes, "encoder": {**encoder, key: width}}

    def prepare(self, learner: Any, splits: DataSplits) -> None:
        """Mean and deviation of the training rows, where the encoder standardises."""
        for module in learner.modules():
            if isinstance(module, Scaling):
                module.fit(splits.train.items)

    def reader(self, settings: Mapping[str, Any], learner: Any) -> Reader:
        """Reads rows of the width that the run was trained with."""
        return Rows(int(settings["encoder"][_width_key(settings["encoder"])]))


def _width_key(encoder: Mapping[str, Any]) -> str:
    """What an encoder calls the width of its input: `features` where it hands them on."""
    return "in_features" if "in_features" in encoder else "features"
