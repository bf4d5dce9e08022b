"""A fixed evaluation of a memory alone on a sequence task."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.tasks import TaskList
from metamann.learners.sequence import SequenceLearner


class SequenceEvaluator(NamedTuple):
    """Scores any learner on the same sequences.

    Attributes:
        sampler: deals the sequences.
        split: `train`, `val` or `test`.
        tasks: which sequences.
        device: to compute on.
        steps_per_batch: sequences are batched up to about this many steps.
    """

    sampler: Sampler
    split: str
    tasks: TaskList
    device: torch.device
    steps_per_batch: int

    @property
    def protocol(self) -> SequenceTask:
        """The task."""
        task: SequenceTask = self.sampler.protocol
        return task

    @property
    def data(self) -> str:
        """What stands in the place of a data set."""
        return "random bits"

    @property
    def precision(self) -> str:
        """Sequences are always read in full precision, see `SequenceLearner`."""
        return "fp32"

    @property
    def labelled(self) -> bool:
        """Every sequence has its answer."""
        return True

    @property
    def title(self) -> str:
        """What was evaluated, in a few words."""
        return f"{self.protocol.describe()['name']}, {self.split}, {len(self.tasks)} sequences"

    @torch.no_grad()
    def scores(self, learner: SequenceLearner) -> dict[str, np.ndarray]:
        """Scores of each sequence.

        Returns:
            Arrays over sequences: `accuracy`, the share of right bits; `sequences_right`, 1 where all bits are;
            `bits_per_sequence`, the binary cross entropy summed over all bits of the answer [Graves et al. 2014,
            figure 3], in bits.
        """
        learner.to(self.device).eval()
        scores: dict[str, list[np.ndarray]] = {"accuracy": [], "sequences_right": [], "bits_per_sequence": []}
        for batch in self.tasks.batches(self.sampler, self.steps_per_batch):
            batch = batch.to(self.device)
            log_probs = learner(batch)
            asked = batch.targets != PADDING
            right = log_probs.argmax(-1) == batch.targets
            of_target = log_probs.gather(-1, batch.targets.clamp_min(0).unsqueeze(-1)).squeeze(-1).where(asked, 0)
            scores["accuracy"].append(((right & asked).sum(1) / asked.sum(1)).cpu().numpy())
            scores["sequences_right"].append((right | ~asked).all(1).float().cpu().numpy())
            scores["bits_per_sequence"].append((-of_target.sum(1) / math.log(2)).cpu().numpy())
        return {name: np.concatenate(each) for name, each in scores.items()}

    def describe(self) -> dict[str, Any]:
        """Split and task, to be printed beside every number."""
        return {"data": self.data, "split": self.split, **self.protocol.describe()}
