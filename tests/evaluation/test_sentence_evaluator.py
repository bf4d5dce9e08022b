"""Evaluations on sentences: the same scores for any batching, task lists, and what people are shown."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toy_words import ToyEncoder, toy_store

from metamann.data.columns import read_columns
from metamann.data.sentences import Span
from metamann.episodes.episode import PADDING
from metamann.episodes.greedy import GreedySentences
from metamann.episodes.sentence_sampler import SentenceSampler
from metamann.episodes.sentence_tasks import SentenceTaskList
from metamann.evaluation.sentence_evaluator import SentenceEvaluator, Shown
from metamann.evaluation.sentence_report import (
    Reader,
    plot_confusion,
    plot_support_sizes,
    read_notes,
    write_answers,
    write_page,
)
from metamann.evaluation.spans import COUNTED, count_spans
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.nearest import NearestMemory
from metamann.memory.prototypes import PrototypeMemory

STORE = toy_store()


def evaluator(at_once: int = 400, episodes: int = 12, **settings: Any) -> SentenceEvaluator:
    sampler = SentenceSampler(STORE, GreedySentences(ways=3, shots=1, **settings), seed=0)
    tasks = SentenceTaskList.draw(sampler, episodes)
    return SentenceEvaluator("toy", "test", sampler, tasks, torch.device("cpu"), "fp32", at_once)


@pytest.fixture
def learner() -> MANN:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    return MANN(encoder, NearestMemory(encoder.features, 4), 4)


def test_counts_are_those_of_each_episode_whatever_the_batches(learner: MANN) -> None:
    every = evaluator()
    expected = []
    for index in range(12):
        episode = every.sampler.batch([index])
        tags = learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)
        expected.append(count_spans(tags, episode.query.labels, "io")[0])
    for at_once in (400, 30, 2, 1):
        found = evaluator(at_once).tagged(learner)
        assert found.counts.tolist() == np.stack(expected).tolist()
        assert found.confusion[:-1].sum() == found.counts[:, COUNTED.index("gold")].sum()
        assert found.confusion[:, :-1].sum() == found.counts[:, COUNTED.index("predicted")].sum()
    assert found.types == STORE.types


def test_the_first_episodes_have_their_answers(learner: MANN) -> None:
    shown = evaluator().first(learner, 3)
    assert len(shown) == 3
    for index, (plan, tags, reading, _) in enumerate(shown):
        assert reading is None  # of a MANN
        episode = evaluator().sampler.batch([index])
        answers = learner.answer(learner.adapt(episode.support, episode.classes), episode.query.inputs)[0]
        present = episode.query.labels[0] != PADDING
        assert tags[present.numpy()].tolist() == answers[present].tolist()
        assert plan.query.tolist() == evaluator().tasks.plans[index].query.tolist()


def test_it_says_what_was_evaluated() -> None:
    every = evaluator()
    assert every.describe() == {
        "data": "toy", "split": "test", "types": 8, **every.sampler.protocol.describe(),
    }  # fmt: skip
    assert every.title == "toy test, up to 3 types, 12 episodes"


def test_the_page_shows_right_wrong_and_missed_entities_and_no_markup_of_the_text(tmp_path: Path) -> None:
    every = evaluator()
    reader, plan = Reader(every.sampler.source.table, "io"), every.tasks.plans[0]
    row = int(plan.query[0])
    gold = reader.true(plan, row)
    assert gold == tuple(
        span for span in STORE.sentences[row].spans if span.type in {STORE.types[t] for t in plan.types}
    )
    length = int(every.sampler.source.table.sizes[row])
    nothing = np.zeros((len(plan.query), 40), dtype=np.int64)
    write_page(tmp_path / "missed.html", "<toy>", reader, [Shown(plan, nothing, None, 1)])
    page = (tmp_path / "missed.html").read_text()
    assert "&lt;toy&gt;" in page
    assert "<toy>" not in page
    assert "missed: " in page
    wrong = nothing.copy()
    wrong[0, :length] = 1
    write_page(tmp_path / "wrong.html", "toy", reader, [Shown(plan, wrong, None, 1)])
    assert '<mark class="wrong"' in (tmp_path / "wrong.html").read_text()
    assert reader.answered(plan, row, wrong[0]) == (Span(0, length, STORE.types[plan.types[0]]),)


def test_the_page_says_what_was_read_for_each_word(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    learner = SentenceMANN(encoder, PrototypeMemory(encoder.features, 4), 4)
    every = evaluator()
    table, shown = every.sampler.source.table, every.first(learner, 1)[0]
    reader = Reader(table, "io")
    names = [STORE.types[number] for number in shown.plan.types]
    for place, row in enumerate(shown.plan.query):
        notes = read_notes(reader, shown, place)
        assert len(notes) == table.sizes[row]
        for word, note in zip(reader.words(int(row)), notes, strict=True):
            assert note.startswith("if an entity: type")
            if word.startswith("Type"):  # the toy encoder puts words of one type beside each other
                name = f"type{word[4]}"
                assert note.startswith(f"if an entity: {name}" if name in names else "if")
                assert f"nearest inside: Type{word[4]}" in note
                assert f"({name}) " in note
    write_page(tmp_path / "page.html", "toy", reader, [shown])
    assert f'title="{html.escape(read_notes(reader, shown, 0)[0])}"' in (tmp_path / "page.html").read_text()


def test_a_query_longer_than_a_batch_is_answered_to_its_end(learner: MANN, tmp_path: Path) -> None:
    whole, parts = evaluator().first(learner, 1)[0], evaluator(at_once=1).first(learner, 1)[0]
    assert len(parts.answers) == len(parts.plan.query) > 1
    reader = Reader(evaluator().sampler.source.table, "io")
    for name, shown in (("whole", whole), ("parts", parts)):
        write_answers(tmp_path / name, reader, shown.plan, shown.answers)
    assert (tmp_path / "parts").read_text() == (tmp_path / "whole").read_text()


def test_answers_are_a_column_file_that_reads_back(tmp_path: Path, learner: MANN) -> None:
    every = evaluator()
    plan, tags, _, _ = every.first(learner, 1)[0]
    reader = Reader(every.sampler.source.table, "io")
    write_answers(tmp_path / "answers.txt", reader, plan, tags)
    read = read_columns(tmp_path / "answers.txt", scheme="IOB2").sentences
    assert [list(sentence.tokens) for sentence in read] == [reader.words(int(row)) for row in plan.query]
    assert [sentence.spans for sentence in read] == [
        reader.answered(plan, int(row), each) for row, each in zip(plan.query, tags, strict=True)
    ]


def test_pictures_are_written(tmp_path: Path, learner: MANN) -> None:
    every = evaluator(episodes=30)
    found = every.tagged(learner)
    plot_confusion(tmp_path / "confusion.png", found.confusion, found.types, every.title)
    sizes = np.array([len(plan.support) for plan in every.tasks.plans])
    assert plot_support_sizes(tmp_path / "sizes.png", found.counts, sizes, "io", every.title)
    for name in ("confusion", "sizes"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 5
    assert not plot_support_sizes(tmp_path / "none.png", found.counts, np.full(30, 4), "io", "one size")
    assert not (tmp_path / "none.png").exists()
