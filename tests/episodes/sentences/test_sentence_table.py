"""The table: words and tags of any rows are those of the sentences, read by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_sentences import WORDS, random_sentence, random_store

from metamann.data.sentences.store import Sentence, SentenceStore, Span
from metamann.episodes.episode import PADDING
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.text import NO_WORD


def table_of(*sentences: Sentence) -> SentenceTable:
    store = SentenceStore("toy", sentences)
    return SentenceTable.of(store.sentences, store.lexicon, store.types)


def tags_by_hand(sentence: Sentence, classes: list[str], scheme: str) -> list[int]:
    tags = [0] * len(sentence.tokens)
    for start, end, name in sentence.spans:
        for position in range(start, end):
            if name in classes:
                number = classes.index(name)
                tags[position] = 1 + number if scheme == "io" else 2 + 2 * number - (position == start)
    return tags


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.lists(st.integers(0, 59), max_size=4), min_size=1, max_size=3),
    ways=st.integers(1, 7),
    scheme=st.sampled_from(["io", "bio"]),
    seed=st.integers(0, 99),
)
def test_words_and_tags_are_those_of_the_sentences(rows: list[list[int]], ways: int, scheme: str, seed: int) -> None:
    store = random_store(50)
    table = SentenceTable.of(store.sentences, store.lexicon, store.types)
    rng = np.random.default_rng(seed)
    types = [rng.permutation(7)[: rng.integers(1, ways + 1)] for _ in rows]
    arrays = [np.array(each, dtype=np.int64) for each in rows]
    words, tags = table.text(arrays).words, table.tags(arrays, types, scheme)  # type: ignore[arg-type]
    assert words.shape == tags.shape
    assert words.shape[:2] == (len(rows), max(map(len, rows)))
    longest = max((len(store.sentences[row].tokens) for each in rows for row in each), default=0)
    assert words.shape[2] == longest
    for episode, each in enumerate(rows):
        classes = [store.types[number] for number in types[episode]]
        for position in range(words.shape[1]):
            if position < len(each):
                sentence = store.sentences[each[position]]
                expected = [store.lexicon.index(token) for token in sentence.tokens]
                expected_tags = tags_by_hand(sentence, classes, scheme)
            else:
                expected, expected_tags = [], []
            missing = longest - len(expected)
            assert words[episode, position].tolist() == expected + [NO_WORD] * missing
            assert tags[episode, position].tolist() == expected_tags + [PADDING] * missing


@pytest.mark.parametrize("scheme", ["io", "bio"])
def test_entities_are_counted_as_the_scheme_can_say_them(scheme: str) -> None:
    rng = np.random.default_rng(0)
    sentences = [random_sentence(rng, ["a", "b"]) for _ in range(200)]
    # at the ends, where nothing stands before or behind
    sentences = [Sentence((), ()), *sentences, Sentence(("w",), (Span(0, 1, "a"),)), Sentence((), ())]
    table = table_of(*sentences)
    merged = 0
    for sentence, counts in zip(sentences, table.entities(scheme), strict=True):  # type: ignore[arg-type]
        expected = Counter(span.type for span in sentence.spans)
        for one, other in zip(sentence.spans, sentence.spans[1:], strict=False):
            if scheme == "io" and (one.end, one.type) == (other.start, other.type):
                expected[one.type] -= 1
                merged += 1
        assert counts.tolist() == [expected["a"], expected["b"]]
    assert (merged > 10) == (scheme == "io")


def test_entities_at_a_border_of_sentences_are_two() -> None:
    one = Sentence(("x", "y"), (Span(1, 2, "a"),))
    other = Sentence(("z",), (Span(0, 1, "a"),))
    assert table_of(one, Sentence((), ()), other).entities("io").tolist() == [[1], [0], [1]]


def test_texts_are_equal_whatever_their_case_and_spans() -> None:
    sentences = [
        Sentence(("Straße", "A"), (Span(0, 1, "a"),)),
        Sentence(("strasse", "a"), ()),
        Sentence(("strasse a",), ()),
        Sentence(("A", "Straße"), ()),
    ]
    texts = table_of(*sentences).texts.tolist()
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_no_sentences_at_all_give_no_words() -> None:
    table = SentenceTable.of((), WORDS, ("a",))
    rows = [np.zeros(0, dtype=np.int64)] * 2
    assert table.text(rows).words.shape == (2, 0, 0)
    assert table.tags(rows, [np.array([0])] * 2, "io").shape == (2, 0, 0)
