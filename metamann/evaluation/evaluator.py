"""A fixed evaluation: which episodes of which split, and how they are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

from metamann.episodes.sampler import Sampler
from metamann.episodes.tasks import TaskList


@dataclass(frozen=True)
class Evaluator(ABC):
    """A fixed list of episodes that any learner can answer; a subclass defines the scores.

    Attributes:
        data: name of the data set and how it was split.
        split: `train`, `val` or `test`.
        sampler: draws the episodes.
        tasks: the list of episodes.
        device: to compute on.
        precision: `fp32` or `bf16`.
        positions_per_batch: the largest number of items, sentences or steps of a batch of several episodes.
    """

    data: str
    split: str
    sampler: Sampler
    tasks: TaskList
    device: torch.device
    precision: str
    positions_per_batch: int

    @property
    @abstractmethod
    def title(self) -> str:
        """What was evaluated, in a few words."""

    @property
    def protocol(self) -> Any:
        """The protocol of the episodes."""
        return self.sampler.protocol

    @property
    def labelled(self) -> bool:
        """Whether the queries have labels, so that answers can be scored."""
        return True

    def holdings(self) -> dict[str, int]:
        """Sizes of the split, such as `{"classes": 423}`."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Data, split and protocol, which are reported with every number."""
        return {"data": self.data, "split": self.split, **self.holdings(), **self.protocol.describe()}
