"""Sentences: types and words of a split, splits that share no type unless they are supervised."""

from __future__ import annotations

import dataclasses

import pytest

from metamann.data.sentences.store import Sentence, SentenceSplits, SentenceStore, Span
from metamann.errors import DataError


def sentence(text: str, *types: str) -> Sentence:
    """Tokens between blanks, the first of them spans of one token each."""
    return Sentence(tuple(text.split()), tuple(Span(number, number + 1, type_) for number, type_ in enumerate(types)))


def store(name: str, *sentences: Sentence) -> SentenceStore:
    return SentenceStore(name, sentences)


TRAIN = store("toy/train", sentence("a b c", "x", "y"), sentence("d e"), sentence("d e"), sentence("f", "x"))
VAL = store("toy/val", sentence("d e", "z"), sentence("a B c", "z"))
TEST = store("toy/test", sentence("a b c"), sentence("d e", "w"), sentence("g", "w"))


def test_types_and_words_of_a_store_are_sorted_and_distinct() -> None:
    assert TRAIN.types == ("x", "y")
    assert TRAIN.lexicon == ("a", "b", "c", "d", "e", "f")


def test_the_fingerprint_depends_on_words_spans_and_order_and_not_on_the_name() -> None:
    same = store("other", *TRAIN.sentences)
    others = [
        store("toy/train", *TRAIN.sentences[::-1]),
        store("toy/train", *TRAIN.sentences[:-1]),
        store("toy/train", *TRAIN.sentences[:-1], sentence("F", "x")),
        store("toy/train", *TRAIN.sentences[:-1], sentence("f", "y")),
        store("toy/train", *TRAIN.sentences[:-1], sentence("f")),
    ]
    assert same.fingerprint == TRAIN.fingerprint
    assert len({each.fingerprint for each in [TRAIN, *others]}) == 1 + len(others)


def test_splits_are_found_by_name() -> None:
    splits = SentenceSplits("toy", TRAIN, VAL, TEST)
    assert [splits.split(name) for name in ("train", "val", "test")] == [TRAIN, VAL, TEST]
    with pytest.raises(DataError, match="no split 'dev'; choose train, val or test"):
        splits.split("dev")


@pytest.mark.parametrize(("first", "second"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_a_type_in_two_splits_is_refused_unless_they_are_supervised(first: str, second: str) -> None:
    both = sentence("h", "both")
    stores = {"train": TRAIN, "val": VAL, "test": TEST}
    for name in (first, second):
        stores[name] = store(f"toy/{name}", *stores[name].sentences, both)
    with pytest.raises(DataError, match=f"'{first}' and '{second}' of 'toy' share 1 types, such as 'both'"):
        SentenceSplits("toy", **stores)
    assert not SentenceSplits("toy", **stores, disjoint_types=False).disjoint_types


def test_shared_texts_are_counted_once_with_their_case_whatever_their_spans() -> None:
    splits = SentenceSplits("toy", TRAIN, VAL, TEST)
    assert splits.shared_texts == {("train", "val"): 1, ("train", "test"): 2, ("val", "test"): 1}
    alone = dataclasses.replace(splits, val=store("toy/val"), test=store("toy/test"))
    assert set(alone.shared_texts.values()) == {0}
