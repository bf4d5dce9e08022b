"""Short time series as a kind of input of metamann."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from metamann.data.store import DataSplits
from metamann.errors import DataError
from metamann.modalities.items import LEARNERS, MEMORIES, Items
from metamann.modalities.modality import Fits


class Series(Items):
    """Series of one length, `channels x steps`; what all labelled items have in common is inherited."""

    name = "time series"
    fits: ClassVar[Fits] = {  # choices of metamann by name, those of this package by what they build
        "data": ("metamann_series.waves.waves",),
        "protocol": ("nway", "stream"),
        "encoder": ("metamann_series.encoder.SeriesEncoder",),
        "memory": MEMORIES,
        "learner": LEARNERS,
        "adapter": ("linear_head", "finetuned", "majority", "blind", "carried"),
    }

    def completed(self, nodes: Mapping[str, Any], splits: DataSplits) -> Mapping[str, Any]:
        """The encoder is built for the shape of the series."""
        channels, steps = splits.train.items.shape[1:]
        return {**nodes, "encoder": {**nodes["encoder"], "channels": channels, "steps": steps}}

    def reader(self, settings: Mapping[str, Any], learner: Any) -> SeriesReader:
        """Reads series of the shape that the run was trained with."""
        return SeriesReader(settings["encoder"]["channels"], settings["encoder"]["steps"])


class SeriesReader:
    """Turns arrays and lists, `channels x steps`, into items."""

    kind = "a series: channels x steps numbers"
    dtype = torch.float32

    def __init__(self, channels: int, steps: int) -> None:
        self.shape = (channels, steps)

    def is_one(self, value: Any) -> bool:
        """Whether this is one series, not several."""
        try:
            return np.ndim(value) == 2
        except ValueError:  # of unlike length
            return False

    def read(self, value: Any) -> Tensor:
        """One series, float32; DataError if it is none, or of another shape."""
        try:
            series = torch.as_tensor(np.array(value, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise DataError(f"an item is no series of numbers; give {self.shape[0]} x {self.shape[1]}.") from error
        if series.shape != self.shape or not bool(torch.isfinite(series).all()):
            raise DataError(f"a series must be {self.shape[0]} x {self.shape[1]} finite numbers; correct it.")
        return series

    def read_folder(self, path: Path) -> list[tuple[Tensor, str]]:
        """There are no folders of series: always a DataError."""
        raise DataError(f"{path}: series are given as arrays by label, not as a folder.")
