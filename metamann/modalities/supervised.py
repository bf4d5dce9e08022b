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

    def learner_protocols(self, own: Sequence[Any], requested: Sequence[Any]) -> Sequence[Any]:
        """The protocols of the evaluation, which have the types of its data."""
        return requested

    def calibration(self, learner: Any, evaluator: Any) -> dict[str, float]:
        """Empty: this learner is not adapted to tasks, so no scores of entities are reported."""
        return {}

    def learner(self, build: Build, protocols: Sequence[Any], splits: Any) -> Learner[Any]:
        """A tagger of fixed classes, whose memory receives no labels."""
        encoder = build("encoder")
        memory = build("memory", features=encoder.features, code_width=0)
        tags = n_tags(protocols[0].scheme, len(protocols[0].types or ()))
        learner: Learner[Any] = build("learner", encoder=encoder, memory=memory, tags=tags)
        return learner

    # fixed types: no episodes of new classes, no task files, and no adaptation
    own_task, own_protocol = Modality.own_task, Modality.own_protocol
    course, audit = Modality.course, Modality.audit
    most_labels = Modality.most_labels

    def objects(self, protocol: Any, settings: Mapping[str, Any], learner: Any) -> Objects:
        """Refused; see `Modality.objects`."""
        return Modality.objects(self, protocol, settings, learner)
