"""A fixed evaluation of a memory alone on a sequence task."""

from __future__ import annotations

import math

import numpy as np
import torch

from metamann.episodes.episode import PADDING
from metamann.evaluation.evaluator import Evaluator
from metamann.learners.sequence import SequenceLearner


class SequenceEvaluator(Evaluator):
    """Scores a memory alone, in full precision, see `SequenceLearner`.

    Examples:
        >>> from metamann.episodes.sampler import Sampler
        >>> from metamann.episodes.sequences.algorithmic import Copy
        >>> from metamann.episodes.sequences.source import RandomBits
        >>> from metamann.episodes.tasks import TaskList
        >>> sampler = Sampler(RandomBits("test"), Copy(lengths=3))
        >>> tasks = TaskList.draw(sampler, episodes=5)
        >>> SequenceEvaluator("bits", "test", sampler, tasks, torch.device("cpu"), "fp32", 100).title
        'copy, test, 5 sequences'
    """

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
        for batch in self.tasks.batches(self.sampler, self.positions_per_batch):
            batch = batch.to(self.device)
            log_probs = learner(batch)
            mask = batch.targets != PADDING
            right = log_probs.argmax(-1) == batch.targets
            of_target = log_probs.gather(-1, batch.targets.clamp_min(0).unsqueeze(-1)).squeeze(-1).where(mask, 0)
            scores["accuracy"].append(((right & mask).sum(1) / mask.sum(1)).cpu().numpy())
            scores["sequences_right"].append((right | ~mask).all(1).float().cpu().numpy())
            scores["bits_per_sequence"].append((-of_target.sum(1) / math.log(2)).cpu().numpy())
        return {name: np.concatenate(batches) for name, batches in scores.items()}
