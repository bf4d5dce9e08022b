"""Evaluations on sentences: the same scores for any batching and task list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from toy_words import toy_store

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.episodes.episode import PADDING
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.tasks import TaskList
from metamann.evaluation.sentence_evaluator import SentenceEvaluator
from metamann.evaluation.spans import COUNTED, count_spans
from metamann.learners.mann import MANN

STORE = toy_store()


def test_counts_are_those_of_each_episode_whatever_the_batches(
    learner: MANN, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    every = evaluator()
    expected = []
    for index in range(12):
        episode = every.sampler.batch([index])
        tags = learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)
        expected.append(count_spans(tags, episode.query.labels, "io")[0])
    for at_once in (400, 30, 2, 1):
        found = evaluator(at_once).count(learner)
        assert found.counts.tolist() == np.stack(expected).tolist()
        assert found.confusion[:-1].sum() == found.counts[:, COUNTED.index("gold")].sum()
        assert found.confusion[:, :-1].sum() == found.counts[:, COUNTED.index("predicted")].sum()
    assert found.types == STORE.types


def test_the_first_episodes_have_their_answers(learner: MANN, evaluator: Callable[..., SentenceEvaluator]) -> None:
    shown = evaluator().first(learner, 3)
    assert len(shown) == 3
    for index, (plan, tags, reading) in enumerate(shown):
        assert reading is None  # of a MANN
        episode = evaluator().sampler.batch([index])
        answers = learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)[0]
        present = episode.query.labels[0] != PADDING
        assert tags[present.numpy()].tolist() == answers[present].tolist()
        assert plan.query.tolist() == evaluator().tasks.plans[index].query.tolist()


def test_it_says_what_was_evaluated(evaluator: Callable[..., SentenceEvaluator]) -> None:
    every = evaluator()
    assert every.describe() == {
        "data": "toy", "split": "test", "types": 8, **every.sampler.protocol.describe(),
    }  # fmt: skip
    assert every.title == "toy test, up to 3 types, 12 episodes"


@pytest.mark.parametrize("labelled", [True, False])
def test_it_says_whether_there_is_anything_to_score_by(
    labelled: bool, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    assert evaluator().labelled
    types = tuple(sorted({span.type for sentence in STORE.sentences[:3] for span in sentence.spans}))
    task = FixedEpisode(STORE.sentences[:3], STORE.sentences[3:5], types)
    sampler = Sampler(FixedEpisodeStore("own", (task,), labelled), FixedSentences())
    tasks = TaskList.draw(sampler, 1)
    own = SentenceEvaluator("own", "test", sampler, tasks, torch.device("cpu"), "fp32", 400)
    assert own.labelled == labelled
