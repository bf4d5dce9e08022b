"""Sequences of bits: algorithmic tasks for a memory alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.sequences.sampler import SequenceList, Sequences as Batch, SequenceSampler
from metamann.errors import ConfigError
from metamann.evaluation.metrics import intervals
from metamann.evaluation.plots import plot_sequence
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.learners.sequence import SequenceLearner
from metamann.modalities.modality import Build, Compute, Findings, Judged, Modality


class RandomBits(NamedTuple):
    """What stands in place of data: nothing is read."""

    name: str = "random bits"
    notes: tuple[str, ...] = ()


class Sequences(Modality):
    """Bits in, bits out: no data, no encoder, no labels."""

    name = "sequences"
    fits = {
        "data": (),
        "protocol": ("copy", "repeat_copy", "associative_recall"),
        "encoder": (),
        "memory": ("additive", "delta", "dnc", "lrua", "none", "ntm", "ntm_input", "snail"),
        "learner": ("sequence",),
        "adapter": (),
    }

    def read(self, build: Build) -> RandomBits:
        """Nothing is read."""
        return RandomBits()

    def fingerprints(self, splits: RandomBits) -> dict[str, str]:
        """There are none."""
        return {}

    def check_alike(self, protocol: SequenceTask, train_protocol: SequenceTask) -> None:
        """See `Modality.check_alike`."""
        protocol.check()
        train_protocol.check()
        if (train_protocol.channels, train_protocol.bits) != (protocol.channels, protocol.bits):
            raise ConfigError(
                "train_protocol and protocol differ in the width of their inputs or answers; make them equal."
            )

    def sampler(self, splits: RandomBits, split: str, protocol: SequenceTask, seed: int) -> SequenceSampler:
        """See `Modality.sampler`."""
        return SequenceSampler(protocol, split, seed)

    def tasks(self, sampler: SequenceSampler, episodes: int) -> SequenceList:
        """See `Modality.tasks`."""
        return SequenceList.draw(sampler, episodes)

    def serving(self, own: Sequence[SequenceTask], asked: Sequence[SequenceTask]) -> Sequence[SequenceTask]:
        """The widths that are asked for."""
        return asked

    def trained_on(self, sampler: SequenceSampler, data: str) -> str:
        """Its task."""
        return f"sequences of {sampler.task.describe()['name']}"

    def learner(self, build: Build, protocols: Sequence[SequenceTask], splits: Any) -> SequenceLearner:
        """A memory that sees the bits, and no labels."""
        memory = build("memory", features=protocols[0].channels, code_width=0)
        learner: SequenceLearner = build("learner", memory=memory, bits=protocols[0].bits)
        return learner

    def loads(self, sampler: SequenceSampler) -> list[tuple[int, str]]:
        """Vectors that have to be held."""
        return [(sampler.task.stored(), "vectors")]

    def evaluator(
        self, name: str, split: str, sampler: SequenceSampler, tasks: SequenceList, compute: Compute
    ) -> SequenceEvaluator:
        """See `Modality.evaluator`."""
        return SequenceEvaluator(sampler.task, split, tasks, compute.device, compute.images_per_batch)

    def validate(self, learner: SequenceLearner, evaluator: SequenceEvaluator) -> dict[str, float]:
        """Means of all scores."""
        return {name: float(values.mean()) for name, values in evaluator.scores(learner).items()}

    def judged(self, learner: SequenceLearner, evaluator: SequenceEvaluator, metric: str | None) -> Judged:
        """Accuracy of bits, or another score by its name."""
        scores = evaluator.scores(learner)
        name = metric or self.monitor
        if name not in scores:
            raise ConfigError(f"metric={name} is not measured here; choose one of {', '.join(sorted(scores))}.")
        return Judged(name, np.nan_to_num(scores[name]), (~np.isnan(scores[name])).astype(float))

    def findings(self, directory: Path, learner: SequenceLearner, evaluator: SequenceEvaluator) -> Findings:
        """See `Modality.findings`."""
        metrics = intervals(evaluator.scores(learner))
        draw = functools.partial(_draw_longest, learner=learner, evaluator=evaluator)
        return Findings(metrics, {}, {"sequence": draw})


@torch.no_grad()
def _draw_longest(path: Path, learner: SequenceLearner, evaluator: SequenceEvaluator) -> None:
    sequences = evaluator.tasks.sequences
    longest = int(sequences.mask.sum(1).argmax())
    one = Batch(*(tensor[longest : longest + 1] for tensor in sequences))
    on_device = one.to(evaluator.device)
    ones = learner(on_device)[..., 1].exp().view_as(one.answers).cpu()
    plot_sequence(path, one, ones, learner.trace(on_device), f"{evaluator.title}: the longest")
