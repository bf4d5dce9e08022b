"""Vectors: rows of features from any model."""

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
    """Rows of one width; the encoder gets the width of the data, and standardises with the training classes.

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
        """The parts, with the width of the rows as a setting of the encoder."""
        encoder, width = nodes["encoder"], splits.train.items.shape[1]
        if not isinstance(encoder, Mapping):
            return nodes
        key = _width_key(encoder)
        given = encoder.get(key)
        if given not in (None, width):
            raise ConfigError(f"encoder.{key}={given}, but rows have {width} numbers; leave it out: data say it.")
        return {**nodes, "encoder": {**encoder, key: width}}

    def prepare(self, learner: Any, splits: DataSplits) -> None:
        """Compute mean and deviation of the training rows if the encoder standardises."""
        for module in learner.modules():
            if isinstance(module, Scaling):
                module.fit(splits.train.items)

    def reader(self, settings: Mapping[str, Any], learner: Any) -> Reader:
        """The reader of rows of the width in training."""
        return Rows(int(settings["encoder"][_width_key(settings["encoder"])]))


def _width_key(encoder: Mapping[str, Any]) -> str:
    """The name of the input width of an encoder: `features` for one that returns its input."""
    return "in_features" if "in_features" in encoder else "features"
