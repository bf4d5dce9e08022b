"""Reports of an evaluation on sentences."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_words import ToyEncoder, toy_store

from metamann.data.sentences.columns import read_columns
from metamann.data.sentences.store import SentenceStore, Span
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.tasks import TaskList
from metamann.evaluation.sentence_evaluator import AnsweredEpisode, SentenceEvaluator
from metamann.learners.mann import MANN
from metamann.learners.sentence_mann import SentenceMANN
from metamann.memory.pairs.prototypes import PrototypeMemory
from metamann.reports.pictures import write_figure
from metamann.reports.sentence_plots import plot_confusion, plot_support_sizes
from metamann.reports.sentence_report import (
    MOST_SENTENCES,
    Reader,
    reading_notes,
    write_answers,
    write_page,
)

STORE = toy_store()


def test_a_long_query_is_cut_on_the_page_alone(
    tmp_path: Path, learner: MANN, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    every = evaluator()
    shown = every.first(learner, 1)[0]
    many = MOST_SENTENCES + 5
    plan = shown.plan._replace(query=np.resize(shown.plan.query, many))
    answers = np.resize(shown.answers, (many, shown.answers.shape[1]))
    reader = Reader(every.sampler.source.table, "io")
    write_page(tmp_path / "page.html", "toy", reader, [AnsweredEpisode(plan, answers, None)])
    query = (tmp_path / "page.html").read_text().split("<h3>Query</h3>")[1]
    assert query.count('<div class="s">') == MOST_SENTENCES


def test_the_page_shows_right_wrong_and_missed_entities_and_no_markup_of_the_text(
    tmp_path: Path, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    every = evaluator()
    reader, plan = Reader(every.sampler.source.table, "io"), every.tasks.plans[0]
    row = int(plan.query[0])
    gold = reader.true_spans(plan, row)
    assert gold == tuple(
        span for span in STORE.sentences[row].spans if span.type in {STORE.types[t] for t in plan.types}
    )
    length = int(every.sampler.source.table.sizes[row])
    nothing = np.zeros((len(plan.query), 40), dtype=np.int64)
    write_page(tmp_path / "missed.html", "<toy>", reader, [AnsweredEpisode(plan, nothing, None)])
    page = (tmp_path / "missed.html").read_text()
    assert "&lt;toy&gt;" in page
    assert "<toy>" not in page
    assert "missed: " in page
    wrong = nothing.copy()
    wrong[0, :length] = 1
    write_page(tmp_path / "wrong.html", "toy", reader, [AnsweredEpisode(plan, wrong, None)])
    assert '<mark class="wrong"' in (tmp_path / "wrong.html").read_text()
    assert reader.predicted_spans(plan, row, wrong[0]) == (Span(0, length, STORE.types[plan.types[0]]),)


def test_a_query_without_labels_has_answers_and_no_verdicts(
    tmp_path: Path, learner: MANN, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    every = evaluator()
    reader, answers = Reader(every.sampler.source.table, "io"), every.first(learner, 1)[0].answers.copy()
    answers[0], answers[1] = 1, 0
    shown = AnsweredEpisode(every.tasks.plans[0], answers, None)
    for name, labelled in (("labelled", True), ("plain", False)):
        write_page(tmp_path / name, "toy", reader, [shown], labelled)
    labelled, plain = ((tmp_path / name).read_text() for name in ("labelled", "plain"))
    assert 'class="wrong"' in labelled
    assert "missed" in labelled
    assert not {word for word in ("wrong", "missed", "Outlined", "Dashed") if word in plain}
    assert "no labels" in plain
    query = [page.split("<h3>Query</h3>")[1] for page in (labelled, plain)]
    assert query[0].count("<mark") - query[0].count('class="missed"') == query[1].count("<mark") > 0
    assert labelled.split("<h3>")[1] == plain.split("<h3>")[1]  # the support, whose labels are there


def test_names_with_half_a_surrogate_pair_are_written_and_drawn(tmp_path: Path, learner: MANN) -> None:
    sentences = tuple(
        sentence._replace(
            tokens=(*sentence.tokens, "\udfff"),
            spans=tuple(span._replace(type=f"\ud800{span.type}") for span in sentence.spans),
        )
        for sentence in STORE.sentences
    )
    sampler = Sampler(SentenceStore("toy", sentences), GreedySentences(ways=3, shots=1), seed=0)
    tasks = TaskList.draw(sampler, 2)
    every = SentenceEvaluator("\ud800", "test", sampler, tasks, torch.device("cpu"), "fp32", 400)
    reader, shown = Reader(sampler.source.table, "io"), every.first(learner, 1)
    write_page(tmp_path / "page.html", every.title, reader, shown)
    write_answers(tmp_path / "answers.txt", reader, shown[0].plan, shown[0].answers)
    for name in ("page.html", "answers.txt"):
        assert "\\ud800type" in (tmp_path / name).read_text(encoding="utf-8")
    found = every.count(learner)
    write_figure(tmp_path / "confusion.png", plot_confusion(found.confusion, found.types, every.title))


def test_the_page_says_what_was_read_for_each_word(tmp_path: Path, evaluator: Callable[..., SentenceEvaluator]) -> None:
    torch.manual_seed(0)
    encoder = ToyEncoder()
    learner = SentenceMANN(encoder, PrototypeMemory(encoder.features, 4), 4)
    every = evaluator()
    table, shown = every.sampler.source.table, every.first(learner, 1)[0]
    reader = Reader(table, "io")
    names = [STORE.types[number] for number in shown.plan.types]
    for place, row in enumerate(shown.plan.query):
        notes = reading_notes(reader, shown, place)
        assert len(notes) == table.sizes[row]
        for word, note in zip(reader.words(int(row)), notes, strict=True):
            total, *sources = map(float, re.findall(r"[+-]\d+\.\d", note.split(";")[0]))
            assert note.startswith("for an entity ")
            assert total == pytest.approx(sum(sources), abs=0.21)  # four of them, each rounded
            assert "; if an entity: type" in note
            assert re.search(r"; nearest outside: (o\d+|\.) -?\d.*; nearest inside: Type(\d)x\d \(type\2\) -?\d", note)
            if word.startswith("Type"):  # the toy encoder puts words of one type beside each other
                name = f"type{word[4]}"
                assert (f"; if an entity: {name}" in note) == (name in names)
    write_page(tmp_path / "page.html", "toy", reader, [shown])
    assert f'title="{html.escape(reading_notes(reader, shown, 0)[0])}"' in (tmp_path / "page.html").read_text()


def test_a_query_longer_than_a_batch_is_answered_to_its_end(
    learner: MANN, tmp_path: Path, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    whole, parts = evaluator().first(learner, 1)[0], evaluator(at_once=1).first(learner, 1)[0]
    assert len(parts.answers) == len(parts.plan.query) > 1
    reader = Reader(evaluator().sampler.source.table, "io")
    for name, shown in (("whole", whole), ("parts", parts)):
        write_answers(tmp_path / name, reader, shown.plan, shown.answers)
    assert (tmp_path / "parts").read_text() == (tmp_path / "whole").read_text()


def test_answers_are_a_column_file_that_reads_back(
    tmp_path: Path, learner: MANN, evaluator: Callable[..., SentenceEvaluator]
) -> None:
    every = evaluator()
    plan, tags, _ = every.first(learner, 1)[0]
    reader = Reader(every.sampler.source.table, "io")
    write_answers(tmp_path / "answers.txt", reader, plan, tags)
    read = read_columns(tmp_path / "answers.txt", scheme="IOB2").sentences
    assert [list(sentence.tokens) for sentence in read] == [reader.words(int(row)) for row in plan.query]
    assert [sentence.spans for sentence in read] == [
        reader.predicted_spans(plan, int(row), sentence) for row, sentence in zip(plan.query, tags, strict=True)
    ]


def test_pictures_are_written(tmp_path: Path, learner: MANN, evaluator: Callable[..., SentenceEvaluator]) -> None:
    every = evaluator(episodes=30)
    found = every.count(learner)
    write_figure(tmp_path / "confusion.png", plot_confusion(found.confusion, found.types, every.title))
    sizes = np.array([len(plan.support) for plan in every.tasks.plans])
    write_figure(tmp_path / "sizes.png", plot_support_sizes(found.counts, sizes, "io", every.title))
    for name in ("confusion", "sizes"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 5
