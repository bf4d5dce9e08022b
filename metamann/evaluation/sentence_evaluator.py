"""A fixed evaluation of a learner on episodes of sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from metamann.episodes.episode import Episode
from metamann.episodes.sentences.protocols import SentencePlan
from metamann.episodes.sentences.tagging import TagScheme
from metamann.episodes.text import Text
from metamann.evaluation.evaluator import Evaluator
from metamann.evaluation.spans import COUNTED, count_spans, type_confusion
from metamann.hardware import autocast
from metamann.learners.learner import Learner, Reading


class TaggingCounts(NamedTuple):
    """Counts of correct entities in the answers to all episodes.

    Attributes:
        counts: `episodes x COUNTED`, see `count_spans`.
        confusion: `types + 1 x types + 1`, see `type_confusion`.
        types: names of the types.
    """

    counts: np.ndarray
    confusion: np.ndarray
    types: tuple[str, ...]


class AnsweredEpisode(NamedTuple):
    """One episode with the answers of a learner, for reports.

    Attributes:
        plan: of the episode.
        answers: `sentences x length`, tags of its query.
        reading: what the learner read for these words, without the batch axis; None where it cannot report it.
    """

    plan: SentencePlan
    answers: np.ndarray
    reading: Reading | None


class SentenceEvaluator(Evaluator):
    """Scores a learner that tags sentences; long queries are answered in parts of `positions_per_batch` sentences.

    Examples:
        >>> from metamann.data.sentences.store import Sentence, SentenceStore, Span
        >>> from metamann.episodes.sampler import Sampler
        >>> from metamann.episodes.sentences.greedy import GreedySentences
        >>> from metamann.episodes.tasks import TaskList
        >>> names = ("Ada", "Grace", "Alan")
        >>> store = SentenceStore("toy", tuple(Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in names))
        >>> sampler = Sampler(store, GreedySentences(ways=1, shots=1))
        >>> tasks = TaskList.draw(sampler, episodes=5)
        >>> SentenceEvaluator("toy", "test", sampler, tasks, torch.device("cpu"), "fp32", 100).title
        'toy test, up to 1 types, 5 episodes'
    """

    @property
    def title(self) -> str:
        """What was evaluated, in a few words."""
        return f"{self.data} {self.split}, up to {self.sampler.source.max_ways} types, {len(self.tasks)} episodes"

    def holdings(self) -> dict[str, int]:
        """The types of the split."""
        return {"types": len(self.sampler.source.table.types)}

    @property
    def labelled(self) -> bool:
        """Whether the queries have labels, so that answers can be scored."""
        labelled: bool = self.sampler.store.labelled
        return labelled

    @property
    def scheme(self) -> TagScheme:
        """The scheme of the tags."""
        scheme: TagScheme = self.protocol.scheme
        return scheme

    def count(self, learner: Learner[Any]) -> TaggingCounts:
        """Answer all episodes, and count the correct entities."""
        types = self.sampler.source.table.types
        counts, confusion = [], np.zeros((len(types) + 1, len(types) + 1), dtype=np.int64)
        for plans, batch in self._batches():
            of_batch = np.zeros((len(plans), len(COUNTED)), dtype=np.int64)
            for answers, labels, _, _ in self._answers(learner, batch):
                of_batch += count_spans(answers, labels, self.scheme)
                numbers = [plan.types for plan in plans]
                confusion += type_confusion(answers, labels, numbers, len(types), self.scheme)
            counts.append(of_batch)
        return TaggingCounts(np.concatenate(counts), confusion, types)

    @torch.no_grad()
    def first(self, learner: Learner[Any], episodes: int, sentences: int | None = None) -> list[AnsweredEpisode]:
        """The first episodes with the learner's answers and readings.

        Args:
            learner: answers the episodes.
            episodes: number of episodes.
            sentences: the largest number of query sentences; None takes all.
        """
        answered = []
        for index, plan in enumerate(self.tasks.plans[:episodes]):
            shortened = plan._replace(query=plan.query[:sentences])
            episode = self.sampler.fetch([shortened], [self.sampler.codes(index)])
            query_length = episode.query.labels.shape[-1]
            parts, readings = [], []
            for answers, labels, state, text in self._answers(learner, episode):
                room = query_length - labels.shape[-1]
                parts.append(F.pad(answers[0].cpu(), (0, room)))
                with autocast(self.device, self.precision):
                    read = learner.reading(state, text)
                if read is not None:
                    readings.append([F.pad(tensor[0].cpu(), (0, 0, 0, room)) for tensor in read])
            reading = Reading(*map(torch.cat, zip(*readings, strict=True))) if readings else None
            answered.append(AnsweredEpisode(shortened, torch.cat(parts).numpy(), reading))
        return answered

    def _batches(self) -> Iterator[tuple[tuple[SentencePlan, ...], Episode]]:
        start = 0
        for batch in self.tasks.batches(self.sampler, self.positions_per_batch):
            stop = start + len(batch.classes.ways)
            yield self.tasks.plans[start:stop], batch
            start = stop

    @torch.no_grad()
    def _answers(self, learner: Learner[Any], batch: Episode) -> Iterator[tuple[Tensor, Tensor, Any, Tensor | Text]]:
        """Answers and labels of one part of the query at a time, the state that was read, and the text of the part."""
        learner.to(self.device).eval()
        batch = batch.to(self.device)
        with autocast(self.device, self.precision):
            state = learner.adapt(batch.support, batch.classes)
        for part in batch.query_parts(self.positions_per_batch):
            with autocast(self.device, self.precision):
                answers = learner.answer(state, part.inputs)
            yield answers, part.labels, state, part.inputs
