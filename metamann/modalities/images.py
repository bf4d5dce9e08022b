"""Images in classes, such as drawn characters and photographs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from metamann.data.images.objects import Pictures
from metamann.modalities.item_objects import Reader
from metamann.modalities.items import LEARNERS, MEMORIES, Items
from metamann.modalities.modality import Fits


class Images(Items):
    """Images of one size and one channel, which is the amount of ink.

    Examples:
        >>> Images().fits["encoder"]
        ('conv', 'pixels')
    """

    name = "images"
    fits: ClassVar[Fits] = {
        "data": ("strokes", "omniglot", "folder"),
        "protocol": ("nway", "stream", "lake_runs"),
        "encoder": ("conv", "pixels"),
        "memory": MEMORIES,
        "learner": LEARNERS,
        "adapter": ("rotated", "linear_head", "finetuned", "majority", "blind", "carried"),
    }

    def reader(self, settings: Mapping[str, Any], learner: Any) -> Reader:
        """The reader of images, as in `data=folder`, in the size of the encoder."""
        size = settings["encoder"].get("size") or settings["data"]["size"]
        return Pictures(int(size), settings["data"].get("ink", "auto"))
