"""Published episodes: their sentences and types as they are, classes numbered at random."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from toy_sentences import random_episodes, random_store

from metamann.data.sentences.fewnerd import fewnerd_episodes
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, Span
from metamann.episodes.episode import PADDING
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.errors import EpisodeError

STORE = random_episodes(8)


def words(sampler: Sampler, rows: np.ndarray) -> list[tuple[str, ...]]:
    table = sampler.source.table
    return [tuple(table.lexicon[word] for word in table.words[table.first[row] : table.first[row + 1]]) for row in rows]


def test_episodes_are_those_of_the_file_in_its_order_again_and_again() -> None:
    sampler = Sampler(STORE, FixedSentences())
    assert (sampler.source.n_episodes, sampler.source.max_ways) == (8, max(len(each.types) for each in STORE.episodes))
    for index in range(20):
        episode, plan = STORE.episodes[index % 8], sampler.plan(index)
        assert words(sampler, plan.query) == [sentence.tokens for sentence in episode.query]
        assert Counter(words(sampler, plan.support)) == Counter(sentence.tokens for sentence in episode.support)
        assert {sampler.source.table.types[number] for number in plan.types} == set(episode.types)


def test_class_numbers_and_support_order_are_drawn() -> None:
    which = next(number for number, each in enumerate(STORE.episodes) if len(each.support) > 2)
    sampler = Sampler(STORE, FixedSentences())
    plans = [sampler.plan(index) for index in range(which, which + 8 * 100, 8)]
    for part in ("types", "support"):
        orders = [getattr(plan, part).tolist() for plan in plans]
        assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(orders[0]))}
        assert {order[0] for order in orders} == set(orders[0])


def test_shuffled_draws_every_episode() -> None:
    sampler = Sampler(STORE, FixedSentences(shuffled=True))
    queries = [tuple(words(sampler, sampler.plan(index).query)) for index in range(200)]
    assert set(queries) == {tuple(sentence.tokens for sentence in each.query) for each in STORE.episodes}
    assert len(set(queries[:8])) < 8


def test_types_that_are_not_of_the_episode_are_outside() -> None:
    sentences = (Sentence(("x", "y"), (Span(0, 1, "other"), Span(1, 2, "b"))),)
    store = FixedEpisodeStore("toy", (FixedEpisode((), sentences, ("b", "never seen")),))
    episode = Sampler(store, FixedSentences(scheme="io")).batch([0])
    assert episode.classes.ways.tolist() == [3]
    assert episode.query.labels[0, 0, 0] == 0
    assert episode.query.labels[0, 0, 1] > 0


def test_an_empty_support_is_a_support_of_no_sentence() -> None:
    store = FixedEpisodeStore("toy", (FixedEpisode((), STORE.episodes[0].query, STORE.episodes[0].types),))
    episode = Sampler(store, FixedSentences()).batch([0])
    assert episode.support.labels.shape == episode.support.inputs.words.shape == (1, 0, 0)
    assert episode.query.labels.shape[1] == len(STORE.episodes[0].query)


def test_a_shared_query_is_kept_once() -> None:
    query = random_store(200).sentences
    store = FixedEpisodeStore("toy", tuple(each._replace(query=query) for each in STORE.episodes))
    sampler = Sampler(store, FixedSentences())
    assert sampler.plan(0).query is sampler.plan(1).query
    parts = list(sampler.batch([0]).query_parts(64))
    assert sum(part.labels.shape[1] for part in parts) == len(query)
    found = [
        tuple(sampler.source.table.lexicon[word] for word in row if word >= 0)
        for part in parts
        for row in part.inputs.words[0].tolist()
    ]
    assert found == [sentence.tokens for sentence in query]


@pytest.mark.parametrize(
    ("store", "protocol", "message"),
    [
        (random_store(), FixedSentences(), "'toy'.*greedy_sentences"),
        (FixedEpisodeStore("none", ()), FixedSentences(), "'none' has no episodes"),
        (STORE, FixedSentences(scheme="x"), r"protocol\.scheme"),  # type: ignore[arg-type]
        (STORE, FixedSentences(codes=LabelCodes(width=4)), r"protocol\.codes\.width"),
    ],
)
def test_what_cannot_be_dealt_is_refused_at_start(store: object, protocol: FixedSentences, message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        Sampler(store, protocol)  # type: ignore[arg-type]


def test_the_released_episodes_have_their_exact_figures() -> None:
    folder = Path(os.environ.get("METAMANN_DATA", "")) / "fewnerd"
    if not (folder / "episode-data" / "inter" / "dev_5_1.jsonl").is_file():
        reason = f"the released Few-NERD episodes are not in METAMANN_DATA ({folder})"
        if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    sampler = Sampler(fewnerd_episodes().val, FixedSentences(scheme="io"))
    episodes = sampler.batch(range(1000))
    parts = (episodes.support, episodes.query)
    assert [float((part.labels >= 0).any(-1).sum() / 1000) for part in parts] == pytest.approx([4.95, 4.95], abs=0.005)
    labels = [part.labels[part.labels != PADDING] for part in parts]
    assert sum(map(len, labels)) == 210_879
    assert sum(int((each == 0).sum()) for each in labels) / 210_879 == pytest.approx(0.861, abs=0.0005)
    assert episodes.classes.ways.tolist() == [6] * 1000
    entities = sampler.source.table.entities("io")
    totals = np.array(
        [[entities[rows][:, plan.types].sum(0) for rows in plan[:2]] for plan in map(sampler.plan, range(1000))]
    )
    assert totals.sum() == 12_762
    assert totals.min() >= 1
    assert totals.max() <= 2
