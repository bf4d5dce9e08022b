"""A fixed evaluation of a learner on episodes of single items."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.metrics import score_episodes
from metamann.hardware import autocast
from metamann.learners.learner import Learner


class ItemEvaluator(Evaluator):
    """Scores a learner of images, vectors or other items.

    Examples:
        >>> from metamann.data.store import ClassStore
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> from metamann.episodes.sampler import Sampler
        >>> from metamann.episodes.tasks import TaskList
        >>> store = ClassStore.from_classes("rows", [torch.rand(2, 8)] * 3, ["a", "b", "c"], [""] * 3)
        >>> sampler = Sampler(store, NWayKShot(ways=2, shots=1, queries=1))
        >>> tasks = TaskList.draw(sampler, episodes=5)
        >>> ItemEvaluator("rows", "test", sampler, tasks, torch.device("cpu"), "fp32", 100).title
        'rows test, 2 classes, 5 episodes'
    """

    @property
    def title(self) -> str:
        """What was evaluated, in a few words."""
        return f"{self.data} {self.split}, {self.protocol.max_ways} classes, {len(self.tasks)} episodes"

    def holdings(self) -> dict[str, int]:
        """The classes of the split."""
        return {"classes": self.sampler.store.n_classes}

    def scores(self, learner: Learner[Any], encoded: Tensor | None = None) -> dict[str, np.ndarray]:
        """Scores of each episode, see `score_episodes`; `encoded` is the result of `encode`, if it is known."""
        rows = self.encode(learner) if encoded is None else encoded
        learner = learner.to(self.device).eval().on_features()
        batches = self.tasks.batches(self.sampler, self.positions_per_batch, rows)
        return score_episodes(learner, batches, self.device, self.precision)

    @torch.no_grad()
    def encode(self, learner: Learner[Any]) -> Tensor:
        """Every item of the tasks, encoded once for all episodes.

        Returns:
            One row for each item of the store, as `Learner.encode` gives it; zeros for items of no task.
        """
        learner.to(self.device).eval()
        items = self.sampler.store.items
        used = torch.from_numpy(np.unique(self.tasks.arrays["items"]))
        with autocast(self.device, self.precision):
            parts = [
                learner.encode(items[part].unsqueeze(0).to(self.device))[0].cpu()
                for part in torch.split(used, self.positions_per_batch)
            ]
        rows = parts[0].new_zeros(len(items), *parts[0].shape[1:])
        filled: Tensor = rows.index_copy_(0, used, torch.cat(parts))
        return filled
