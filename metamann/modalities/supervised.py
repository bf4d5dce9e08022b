"""Supervised tagging: sentences whose types are the same in training and in testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from metamann.episodes.sentences.tagging import n_tags
from metamann.learners.learner import Learner
from metamann.modalities.modality import Build, Fits, Modality
from metamann.modalities.sentences import ENCODERS, Sentences
from metamann.modalities.task_objects import Objects


class SupervisedSentences(Sentences):
    """Sentences with fixed types: nothing is learned from a support set.

    Examples:
        >>> SupervisedSentences().fits["protocol"]
        ('supervised',)
    """

    name = "supervised sentences"
    fits: ClassVar[Fits] = {
        "data": ("conll2003", "crossner", "gum", "wnut17", "records", "columns", "jsonl"),
        "protocol": ("supervised",),
        "encoder": ENCODERS,
        "memory": ("additive", "delta", "dnc", "lrua", "none", "ntm", "ntm_input", "snail"),
        "learner": ("tagger",),
        "adapter": (),
    }

    def serving(self, own: Sequence[Any], asked: Sequence[Any]) -> Sequence[Any]:
        """The types of the data that are asked for."""
        return asked

    def calibration(self, learner: Any, evaluator: Any) -> dict[str, float]:
        """Nothing is adapted, so no score is shown."""
        return {}

    def learner(self, build: Build, protocols: Sequence[Any], splits: Any) -> Learner[Any]:
        """A tagger of fixed classes, whose memory is told no labels."""
        encoder = build("encoder")
        memory = build("memory", features=encoder.features, code_width=0)
        tags = n_tags(protocols[0].scheme, len(protocols[0].types or ()))
        learner: Learner[Any] = build("learner", encoder=encoder, memory=memory, tags=tags)
        return learner

    # there are no episodes of new classes, no tasks of files, and nothing to adapt to
    own_task, own_protocol = Modality.own_task, Modality.own_protocol
    course, audit = Modality.course, Modality.audit
    most_labels = Modality.most_labels

    def objects(self, protocol: Any, settings: Mapping[str, Any], learner: Any) -> Objects:
        """There are none; see `Modality.objects`."""
        return Modality.objects(self, protocol, settings, learner)
