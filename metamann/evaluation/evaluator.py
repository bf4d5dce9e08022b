"""A fixed evaluation: which episodes of which split, and how they are computed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.items.protocols import EpisodeProtocol
from metamann.episodes.sampler import Sampler
from metamann.episodes.tasks import TaskList
from metamann.evaluation.metrics import score_episodes
from metamann.hardware import autocast
from metamann.learners.learner import Learner


class Evaluator(NamedTuple):
    """Scores any learner on the same episodes.

    Attributes:
        data: name of the data set and how it was split.
        split: `train`, `val` or `test`.
        sampler: deals the episodes.
        tasks: which episodes.
        device: to compute on.
        precision: `fp32` or `bf16`.
        images_per_batch: episodes are batched up to about this many images.
    """

    data: str
    split: str
    sampler: Sampler
    tasks: TaskList
    device: torch.device
    precision: str
    images_per_batch: int

    @property
    def labelled(self) -> bool:
        """Every item is one of a class."""
        return True

    @property
    def title(self) -> str:
        """What was evaluated, in a few words."""
        return f"{self.data} {self.split}, {self.protocol.max_ways} classes, {len(self.tasks)} episodes"

    def scores(self, learner: Learner[Any], encoded: Tensor | None = None) -> dict[str, np.ndarray]:
        """Scores of each episode, see `score_episodes`; `encoded` is what `encode` gave, if it was asked before."""
        rows = self.encode(learner) if encoded is None else encoded
        learner = learner.to(self.device).eval().on_features()
        batches = self.tasks.batches(self.sampler, self.images_per_batch, rows)
        return score_episodes(learner, batches, self.device, self.precision)

    @torch.no_grad()
    def encode(self, learner: Learner[Any]) -> Tensor:
        """Every item of the tasks, encoded once however many episodes hold it.

        Returns:
            One row for each item of the store, as `Learner.encode` gives it; zeros for items of no task.
        """
        learner.to(self.device).eval()
        items = self.sampler.store.items
        used = torch.from_numpy(np.unique(self.tasks.arrays["items"]))
        with autocast(self.device, self.precision):
            parts = [
                learner.encode(items[part].unsqueeze(0).to(self.device))[0].cpu()
                for part in torch.split(used, self.images_per_batch)
            ]
        rows = parts[0].new_zeros(len(items), *parts[0].shape[1:])
        filled: Tensor = rows.index_copy_(0, used, torch.cat(parts))
        return filled

    @property
    def protocol(self) -> EpisodeProtocol:
        """The protocol of the episodes."""
        protocol: EpisodeProtocol = self.sampler.protocol
        return protocol

    def describe(self) -> dict[str, Any]:
        """Data, split and protocol, to be printed beside every number."""
        store = self.sampler.store
        return {"data": self.data, "split": self.split, "classes": store.n_classes, **self.protocol.describe()}
