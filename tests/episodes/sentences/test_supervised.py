"""Supervised sentences as episodes: nothing to learn from, fixed numbers, every sentence once."""

from __future__ import annotations

import numpy as np
import pytest
from toy_sentences import random_episodes, random_store

from metamann.data.sentences.store import SentenceStore
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.supervised import Supervised
from metamann.errors import EpisodeError

STORE = random_store()


def protocol(**settings: object) -> Supervised:
    return Supervised(**{"types": STORE.types, "sentences": 16, **settings})  # type: ignore[arg-type]


def test_in_order_every_sentence_stands_in_one_episode() -> None:
    sampler = Sampler(STORE, protocol())
    number = sampler.source.n_episodes
    assert number == -(-len(STORE.sentences) // 16)
    rows = np.concatenate([sampler.plan(index).query for index in range(number)])
    assert rows.tolist() == list(range(len(STORE.sentences)))
    assert sampler.plan(number).query.tolist() == sampler.plan(0).query.tolist()


def test_shuffled_sentences_are_of_like_length_and_all_are_met() -> None:
    sampler = Sampler(STORE, protocol(shuffled=True), seed=3)
    plans = [sampler.plan(index).query for index in range(400)]
    spread = [np.ptp(sampler.source.table.sizes[rows]) for rows in plans]
    assert np.mean(spread) < np.ptp(sampler.source.table.sizes) / 4
    assert set(np.concatenate(plans).tolist()) == set(range(len(STORE.sentences)))
    assert plans[5].tolist() == Sampler(STORE, protocol(shuffled=True), seed=3).plan(5).query.tolist()
    assert any(plans[0].tolist() != rows.tolist() for rows in plans[1:])


def test_the_support_is_empty_and_types_have_the_numbers_of_their_list() -> None:
    episode = Sampler(STORE, protocol()).batch([0, 1])
    assert episode.support.labels.shape[:2] == (2, 0)
    first, table = STORE.sentences[0], episode.query.labels[0, 0]
    expected = [0] * len(first.tokens)
    for start, end, type_ in first.spans:
        begin = 1 + 2 * STORE.types.index(type_)
        expected[start:end] = [begin] + [begin + 1] * (end - start - 1)
    assert table[: len(expected)].tolist() == expected


def test_what_is_no_supervised_data_is_refused_with_what_to_change() -> None:
    with pytest.raises(EpisodeError, match=r"'type6'.*protocol\.types"):
        Sampler(STORE, protocol(types=STORE.types[:-1]))
    with pytest.raises(EpisodeError, match="fixed_sentences"):
        Sampler(random_episodes(), protocol())
    with pytest.raises(EpisodeError, match=r"protocol\.sentences"):
        Sampler(STORE, protocol(sentences=0))
    with pytest.raises(EpisodeError, match="0 sentences"):
        Sampler(SentenceStore("none", ()), protocol())
