"""Sentences: few-shot tagging of entities whose types are new in every episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from metamann.checks.finding import Finding
from metamann.checks.samplers import audit_sampler
from metamann.checks.splits import audit_splits
from metamann.data.own.own_task import own_task
from metamann.data.own.reader import ReadingOptions
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits
from metamann.data.sentences.store import SentenceSplits
from metamann.encoders.frozen import FrozenEncoder
from metamann.encoders.vocabulary import little_known
from metamann.episodes import ranges
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.tasks import TaskList
from metamann.errors import ConfigError
from metamann.evaluation.calibration import calibrate_entities
from metamann.evaluation.continual import f1_matrix
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.spans import COUNTED, span_scores
from metamann.hardware import autocast
from metamann.learners.learner import Learner
from metamann.memory.interface import Memory
from metamann.modalities.items import LEARNERS, MEMORIES
from metamann.modalities.modality import Build, Compute, Course, EpisodeScores, Findings, Fits, Modality
from metamann.modalities.sentence_findings import sentence_findings
from metamann.modalities.sentence_objects import SentenceObjects, entity_scores
from metamann.modalities.task_objects import Objects

CURVES = ("f1", "precision", "recall", "span_f1", "typing_accuracy")
ENCODERS = ("words", "recurrent", "minilm", "frozen", "joined", "spelling")
DATA = (
    "records", "columns", "jsonl", "fewnerd", "fewnerd_episodes", "snips", "support_sets", "conll2003", "crossner",
    "gum", "wnut17", "mixture",
)  # fmt: skip
AnySplits = SentenceSplits | FixedEpisodeSplits


class Sentences(Modality):
    """Words with typed spans.

    Examples:
        >>> Sentences().monitor
        'f1'
    """

    name = "sentences"
    fits: ClassVar[Fits] = {
        "data": DATA,
        "protocol": ("greedy_sentences", "fixed_sentences"),
        "encoder": ENCODERS,
        "memory": MEMORIES,
        "learner": ("sentence_mann", *LEARNERS),
        "adapter": ("structshot", "linear_head", "finetuned", "majority", "ablated"),
    }
    monitor = "f1"

    def read(self, build: Build) -> AnySplits:
        """The sentences of the data set."""
        splits: AnySplits = build("data")
        return splits

    def settled(self, protocol: SentenceProtocol, splits: AnySplits) -> SentenceProtocol:
        """For supervised tagging, the types of the training part, unless the protocol lists types."""
        return protocol.with_types(splits.train.types)

    def own_task(self, support: str, query: str, options: ReadingOptions) -> FixedEpisodeSplits:
        """See `Modality.own_task`."""
        return own_task(support, query, options)

    def own_protocol(self, protocol: SentenceProtocol) -> SentenceProtocol:
        """The protocol of one given episode, with the tag scheme of the run."""
        return FixedSentences(scheme=protocol.scheme)

    def learner(self, build: Build, protocols: Sequence[SentenceProtocol], splits: Any) -> Learner[Any]:
        """The learner with its encoder and memory; label codes have the largest width of the protocols."""
        code_width = max(protocol.code_width() for protocol in protocols)
        encoder = build("encoder")
        memory = build("memory", features=encoder.features, code_width=code_width)
        learner: Learner[Any] = build("learner", encoder=encoder, memory=memory, code_width=code_width)
        return learner

    def prepare(self, learner: Learner[Any], splits: AnySplits) -> None:
        """Compute the features of frozen encoders once for all sentences."""
        for module in learner.modules():
            if isinstance(module, FrozenEncoder) and isinstance(splits, SentenceSplits):
                module.remember(splits.train)
                module.remember(splits.val)

    def unknown(self, learner: Learner[Any], name: str, stores: Sequence[Any]) -> tuple[str, ...]:
        """Notes on sentences that the vocabulary of a pretrained encoder does not cover."""
        return little_known(learner, name, *stores)

    def trained_on(self, sampler: Sampler, data: str) -> str:
        """The number of training types."""
        return f"{len(sampler.store.types)} training types of {data}"

    def evaluator(
        self, name: str, split: str, sampler: Sampler, tasks: TaskList, compute: Compute
    ) -> SentenceEvaluator:
        """See `Modality.evaluator`."""
        at_once = compute.sentences_per_batch
        return SentenceEvaluator(name, split, sampler, tasks, compute.device, compute.precision, at_once)

    def validate(self, learner: Learner[Any], evaluator: SentenceEvaluator) -> dict[str, float]:
        """Scores of spans over all episodes."""
        scores = span_scores(evaluator.count(learner).counts.sum(0), evaluator.scheme)
        return {name: float(scores[name]) for name in CURVES if not np.isnan(scores[name])}

    @torch.no_grad()
    def calibration(self, learner: Learner[Any], evaluator: SentenceEvaluator) -> dict[str, float]:
        """One temperature, fitted on the scores of the entities that are predicted in validation episodes."""
        learner.to(evaluator.device).eval()
        scores, right = [], []
        for batch in evaluator.tasks.batches(evaluator.sampler, evaluator.positions_per_batch):
            batch = batch.to(evaluator.device)
            with autocast(evaluator.device, evaluator.precision):
                state = learner.adapt(batch.support, batch.classes)
                tags = learner.answer(state, batch.query.inputs)
                log_probs = learner.predict(state, batch.query.inputs)
            of_batch, correct = entity_scores(tags.cpu(), log_probs.cpu(), batch.query.labels.cpu(), evaluator.scheme)
            scores.append(of_batch)
            right.append(correct)
        if not sum(map(len, scores)):
            return {}
        return calibrate_entities(torch.cat(scores), torch.cat(right), len(evaluator.tasks))

    def episode_scores(self, learner: Learner[Any], evaluator: SentenceEvaluator, metric: str | None) -> EpisodeScores:
        """Counts of each episode for the F1 of all entities."""
        if metric not in (None, "f1"):
            raise ConfigError(f"metric={metric}: sentences are compared by f1 of all entities; leave out metric=.")
        counts = dict(zip(COUNTED, evaluator.count(learner).counts.T, strict=True))
        return EpisodeScores("f1", 2.0 * counts["correct"], counts["gold"] + counts["predicted"])

    def findings(self, directory: Path, learner: Learner[Any], evaluator: SentenceEvaluator) -> Findings:
        """See `Modality.findings`."""
        return sentence_findings(directory, learner, evaluator)

    def course(
        self, splits: AnySplits, split: str, protocol: SentenceProtocol, course: Course, seed: int, compute: Compute
    ) -> SentenceEvaluator:
        """Episodes that hold all types of a sequence."""
        if not isinstance(protocol, GreedySentences):
            refused: SentenceEvaluator = super().course(splits, split, protocol, course, seed, compute)
            return refused
        ways = course.tasks * course.classes
        many = dataclasses.replace(protocol, ways=ways, shots=course.shots, queries=course.queries, empty_sentences=0)
        sampler = self.sampler(splits, split, many, seed)
        tasks = TaskList.draw(sampler, course.sequences)
        return self.evaluator(splits.name, split, sampler, tasks, compute)

    def matrices(self, learner: Learner[Any], evaluator: SentenceEvaluator, tasks: int) -> np.ndarray:
        """See `Modality.matrices`."""
        learner.to(evaluator.device).eval()
        matrices = []
        for number in range(len(evaluator.tasks)):
            episode = evaluator.sampler.batch([number]).to(evaluator.device)
            with autocast(evaluator.device, evaluator.precision):
                matrices.append(f1_matrix(learner, episode, tasks, evaluator.scheme))
        return np.asarray(torch.cat(matrices).numpy())

    def audit(self, splits: AnySplits, sampler: Callable[[], Sampler], episodes: int) -> list[Finding]:
        """See `Modality.audit`."""
        return [*audit_splits(splits), *audit_sampler(sampler, episodes)]

    def objects(self, protocol: SentenceProtocol, settings: Mapping[str, Any], learner: Any) -> Objects:
        """See `Modality.objects`."""
        ways = ranges.ends(protocol.ways)[1] if isinstance(protocol, GreedySentences) else 1
        return SentenceObjects(protocol.codes, ways, protocol.scheme)

    def most_labels(self, learner: Any, protocols: Sequence[SentenceProtocol]) -> int | None:
        """The number of types in training if a head outputs their label codes; None otherwise."""
        memory = getattr(learner, "memory", None)
        if isinstance(memory, Memory) and memory.reads_label_mass:
            return None
        ways = [ranges.ends(protocol.ways)[1] for protocol in protocols if isinstance(protocol, GreedySentences)]
        if not ways or all(protocol.codes.kind == "random" for protocol in protocols):
            return None
        return max(ways)
