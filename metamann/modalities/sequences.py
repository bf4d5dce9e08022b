"""Sequences of bits: algorithmic tasks for a memory alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from metamann.episodes.sampler import Sampler
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.episodes.sequences.source import RandomBits
from metamann.episodes.tasks import TaskList
from metamann.errors import ConfigError
from metamann.evaluation.metrics import intervals
from metamann.evaluation.sequence_evaluator import SequenceEvaluator
from metamann.learners.sequence import SequenceLearner
from metamann.modalities.modality import Build, Compute, EpisodeScores, Findings, Fits, Modality
from metamann.reports.caption import caption
from metamann.reports.episode_plots import plot_sequence
from metamann.reports.pictures import write_figure


class NoData(NamedTuple):
    """The splits of a modality without data: random bits.

    Examples:
        >>> NoData().split("test").name
        'random bits/test'
    """

    name: str = "random bits"
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> RandomBits:
        """The bits of a split."""
        return RandomBits(name)


class Sequences(Modality):
    """Sequences of bits for a memory alone, without data, encoder or labels.

    Examples:
        >>> Sequences().fits["learner"]
        ('sequence',)
    """

    name = "sequences"
    fits: ClassVar[Fits] = {
        "data": (),
        "protocol": ("copy", "repeat_copy", "associative_recall"),
        "encoder": (),
        "memory": ("additive", "delta", "dnc", "lrua", "none", "ntm", "ntm_input", "snail"),
        "learner": ("sequence",),
        "adapter": (),
    }

    def read(self, build: Build) -> NoData:
        """The random bits; nothing is read."""
        return NoData()

    def fingerprints(self, splits: NoData) -> dict[str, str]:
        """Random bits have no fingerprints."""
        return {}

    def check_alike(self, protocol: SequenceTask, train_protocol: SequenceTask) -> None:
        """See `Modality.check_alike`."""
        protocol.check()
        train_protocol.check()
        if (train_protocol.channels, train_protocol.bits) != (protocol.channels, protocol.bits):
            raise ConfigError(
                "train_protocol and protocol differ in the width of their inputs or answers; make them equal."
            )

    def learner_protocols(
        self, own: Sequence[SequenceTask], requested: Sequence[SequenceTask]
    ) -> Sequence[SequenceTask]:
        """The protocols of the evaluation, which set the widths of inputs and answers."""
        return requested

    def trained_on(self, sampler: Sampler, data: str) -> str:
        """The name of the task."""
        return f"sequences of {sampler.protocol.describe()['name']}"

    def learner(self, build: Build, protocols: Sequence[SequenceTask], splits: Any) -> SequenceLearner:
        """A memory that reads the bits, without labels."""
        memory = build("memory", features=protocols[0].channels, code_width=0)
        learner: SequenceLearner = build("learner", memory=memory, bits=protocols[0].bits)
        return learner

    def evaluator(
        self, name: str, split: str, sampler: Sampler, tasks: TaskList, compute: Compute
    ) -> SequenceEvaluator:
        """See `Modality.evaluator`."""
        return SequenceEvaluator("random bits", split, sampler, tasks, compute.device, "fp32", compute.images_per_batch)

    def validate(self, learner: SequenceLearner, evaluator: SequenceEvaluator) -> dict[str, float]:
        """Means of all scores."""
        return {name: float(values.mean()) for name, values in evaluator.scores(learner).items()}

    def episode_scores(
        self, learner: SequenceLearner, evaluator: SequenceEvaluator, metric: str | None
    ) -> EpisodeScores:
        """The accuracy of each sequence, or another score by name."""
        scores = evaluator.scores(learner)
        name = metric or self.monitor
        if name not in scores:
            raise ConfigError(f"metric={name} is not measured here; choose one of {', '.join(sorted(scores))}.")
        return EpisodeScores(name, np.nan_to_num(scores[name]), (~np.isnan(scores[name])).astype(float))

    def findings(self, directory: Path, learner: SequenceLearner, evaluator: SequenceEvaluator) -> Findings:
        """See `Modality.findings`."""
        metrics = intervals(evaluator.scores(learner))
        draw = functools.partial(_draw_longest, learner=learner, evaluator=evaluator)
        return Findings(metrics, {}, {"sequence": draw})


@torch.no_grad()
def _draw_longest(path: Path, learner: SequenceLearner, evaluator: SequenceEvaluator) -> None:
    plans = evaluator.tasks.plans
    longest = max(range(len(plans)), key=lambda number: len(plans[number].inputs))
    one = evaluator.sampler.fetch([plans[longest]], [evaluator.sampler.codes(longest)])
    on_device = one.to(evaluator.device)
    ones = learner(on_device)[..., 1].exp().view_as(one.answers).cpu()
    write_figure(path, plot_sequence(one, ones, learner.trace(on_device), f"{caption(evaluator)}: the longest"))
