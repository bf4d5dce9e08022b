"""Episode i of sentences is a pure function of (data, protocol, seed, i)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_sentences import random_episodes, random_store

from metamann.data.sentences.store import Sentence
from metamann.episodes.episode import PADDING, Episode
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.fixed_sentences import FixedSentences
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.greedy_source import GreedySource
from metamann.episodes.sentences.protocols import SentencePlan
from metamann.episodes.text import NO_WORD
from metamann.errors import ConfigError

CODES = LabelCodes("random", 12)
CASES: dict[str, tuple[Any, Any]] = {
    "greedy": (random_store(), GreedySentences([2, 4], [1, 3], codes=CODES)),
    "realistic": (random_store(), GreedySentences([2, 4], [1, 2], 1, True, [0, 2], "bio", CODES)),
    "fixed": (random_episodes(), FixedSentences(codes=CODES)),
    "shuffled": (random_episodes(), FixedSentences(shuffled=True, scheme="io", codes=CODES)),
}
cases = pytest.mark.parametrize("case", sorted(CASES))


def sampler_of(case: str, seed: int = 3) -> Sampler:
    return Sampler(*CASES[case], seed)


def same(one: Episode, other: Episode) -> bool:
    assert one.classes.names is not None
    assert other.classes.names is not None
    pairs = [(one.classes.ways, other.classes.ways), (one.classes.codes, other.classes.codes)]
    pairs.append((one.classes.names.words, other.classes.names.words))
    for mine, yours in ((one.support, other.support), (one.query, other.query)):
        pairs += [(mine.inputs.words, yours.inputs.words), (mine.labels, yours.labels)]
    return all(torch.equal(a, b) for a, b in pairs)


@cases
@settings(deadline=None, max_examples=15)
@given(indices=st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_an_episode_is_the_same_in_any_batch_but_for_its_padding(case: str, indices: list[int]) -> None:
    together = sampler_of(case).batch(indices)
    for position, index in enumerate(indices):
        alone = sampler_of(case).batch([index])
        for mine, theirs in ((alone.support, together.support), (alone.query, together.query)):
            _, sentences, length = mine.labels.shape
            for one, many, filler in (
                (mine.labels, theirs.labels, PADDING),
                (mine.inputs.words, theirs.inputs.words, NO_WORD),
            ):
                row = many[position].clone()
                assert torch.equal(row[:sentences, :length], one[0])
                row[:sentences, :length] = filler
                assert (row == filler).all()
        for one, many in zip(alone.classes[:2], together.classes[:2], strict=True):
            assert torch.equal(one[0], many[position])
        assert alone.classes.names is not None
        assert together.classes.names is not None
        names, padded = alone.classes.names.words[0], together.classes.names.words[position]
        assert torch.equal(padded[: len(names)], names)
        assert (padded[len(names) :] == NO_WORD).all()


@cases
def test_padding_goes_to_the_largest_of_the_batch(case: str) -> None:
    batch = sampler_of(case).batch(range(5))
    for part in (batch.support, batch.query):
        words = part.labels != PADDING
        assert torch.equal(words, part.inputs.present())
        assert words.any(-1).any(0).all()
        assert words.any(0).any(0).all()
        assert part.labels.dtype == part.inputs.words.dtype == torch.int64


@cases
@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_deals_the_same_batches_in_order(case: str, workers: int) -> None:
    sampler = sampler_of(case)
    indices = [range(start, start + 3) for start in range(0, 45, 3)]
    dealt = list(sampler.batches(indices, workers))
    assert all(same(batch, sampler.batch(each)) for batch, each in zip(dealt, indices, strict=True))


@cases
def test_the_state_of_the_world_does_not_matter(case: str) -> None:
    sampler = sampler_of(case)
    forwards = [sampler.batch([index]) for index in range(8)]
    np.random.seed(0)
    torch.manual_seed(0)
    backwards = [sampler.batch([index]) for index in reversed(range(8))][::-1]
    assert all(same(one, other) for one, other in zip(forwards, backwards, strict=True))


@cases
@pytest.mark.parametrize("what", ["seed", "protocol", "words", "spans"])
def test_another_seed_protocol_or_data_gives_other_episodes(case: str, what: str) -> None:
    store, protocol = CASES[case]
    if what == "protocol":  # only the numbers of tags differ
        protocol = dataclasses.replace(protocol, scheme="io" if protocol.scheme == "bio" else "bio")
    if what in ("words", "spans"):

        def altered(sentence: Sentence) -> Sentence:
            if what == "spans":
                return sentence._replace(spans=())
            return sentence._replace(tokens=(*sentence.tokens[:-1], "altered"))

        if case in ("fixed", "shuffled"):
            first, *rest = store.episodes
            changed = first._replace(query=(altered(first.query[0]), *first.query[1:]))
            store = dataclasses.replace(store, episodes=(changed, *rest))
        else:
            which = next(row for row, sentence in enumerate(store.sentences) if sentence.spans)
            sentences = list(store.sentences)
            sentences[which] = altered(sentences[which])
            store = dataclasses.replace(store, sentences=tuple(sentences))
    one, other = sampler_of(case, 0), Sampler(store, protocol, int(what == "seed"))
    equal = [
        all(np.array_equal(a, b) for a, b in zip(one.plan(index), other.plan(index), strict=True))
        for index in range(20)
    ]
    # orders of two classes and of one sentence agree by chance
    assert sum(equal) < 8


@cases
def test_classes_count_tags_and_codes_leave_sentences_alone(case: str) -> None:
    _, protocol = CASES[case]
    sampler = sampler_of(case)
    batch = sampler.batch(range(12))
    per_class = 2 if protocol.scheme == "bio" else 1
    for index in range(12):
        assert int(batch.classes.ways[index]) == 1 + per_class * len(sampler.plan(index).types)
        assert int(max(batch.support.labels[index].max(), batch.query.labels[index].max())) < batch.classes.ways[index]
        np.testing.assert_array_equal(batch.classes.codes[index], sampler.codes(index))
    assert batch.classes.codes.shape == (12, 1 + per_class * sampler.source.max_ways, 12)
    assert len({sampler.codes(index).tobytes() for index in range(30)}) == 30


class RawCodes(LabelCodes):
    """Shows the numbers that codes are made of."""

    def draw(self, classes: int, rng: np.random.Generator) -> np.ndarray:
        return rng.random(classes)


class RawSource(GreedySource):
    """Shows the numbers that sentences are chosen by."""

    def draw(self, index: int, rng: np.random.Generator) -> SentencePlan:
        return SentencePlan(*rng.random((3, 4)))


def test_codes_and_sentences_are_drawn_from_different_numbers() -> None:
    sampler = Sampler(random_store(), GreedySentences(3, codes=RawCodes()))
    sampler.source = RawSource(sampler.store, sampler.protocol, sampler.source.table)
    assert not np.isin(sampler.codes(5), np.concatenate(sampler.plan(5))).any()


def test_a_seed_below_zero_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="seed=-1"):
        sampler_of("greedy", -1)
