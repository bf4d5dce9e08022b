"""Held-out types: every text in one split, every type in one split, nothing lost without being counted."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from messages import names

from metamann.data.sentences.held_out import hold_out_types
from metamann.data.sentences.store import Sentence, Span

PARTS = ("train", "val", "test")


@st.composite
def corpora(draw: st.DrawFn) -> list[Sentence]:
    sentences = []
    for _ in range(draw(st.integers(0, 25))):
        types = draw(st.lists(st.sampled_from("tuvwxyz"), max_size=3))
        words = [f"w{number}" for number in draw(st.lists(st.integers(0, 3), min_size=len(types), max_size=4))]
        spans = tuple(Span(number, number + 1, type_) for number, type_ in enumerate(types))
        sentences.append(Sentence(tuple(words), spans))
    return sentences


@given(corpora(), st.integers(0, 3))
def test_texts_and_types_stand_in_one_split_and_hidden_entities_are_counted(
    sentences: list[Sentence], seed: int
) -> None:
    splits = hold_out_types("own", sentences, (0.5, 0.25, 0.25), seed)
    assert set(splits.shared_texts.values()) == {0}
    kept = [sentence for part in PARTS for sentence in splits.split(part).sentences]
    assert Counter(sentence.tokens for sentence in kept) == Counter(sentence.tokens for sentence in sentences)
    spans, before = (sum(len(sentence.spans) for sentence in each) for each in (kept, sentences))
    (hidden, total) = map(int, re.findall(r"\d+", splits.notes[-1]))
    assert (hidden, total) == (before - spans, before)
    for part in PARTS:  # in a split that has a type, no entity of it is hidden
        store = splits.split(part)
        originals = Counter(
            (sentence.tokens, span)
            for sentence in sentences
            for span in sentence.spans
            if span.type in store.types and sentence.tokens in {each.tokens for each in store.sentences}
        )
        assert originals == Counter((each.tokens, span) for each in store.sentences for span in each.spans)


def test_a_text_goes_where_its_rarest_type_goes() -> None:
    common = [Sentence((f"c{number}",), (Span(0, 1, "common"),)) for number in range(5)]
    both = Sentence(("a", "b"), (Span(0, 1, "common"), Span(1, 2, "rare")))
    for seed in range(6):
        splits = hold_out_types("own", [*common, both], (0.5, 0, 0.5), seed)
        home = next(part for part in PARTS if "rare" in splits.split(part).types)
        assert splits.split(home).types == ("rare",)
        assert [sentence.spans for sentence in splits.split(home).sentences] == [(Span(1, 2, "rare"),)]
        assert splits.notes[-1].startswith("1 of 7 entities")


def test_all_can_be_test_and_notes_of_the_reader_come_first() -> None:
    sentences = [Sentence(("a",), (Span(0, 1, "x"),)), Sentence(("b",), ())]
    splits = hold_out_types("own", sentences, (0, 0, 1), 0, ["read well"])
    assert splits.test.sentences == tuple(sentences)
    assert not splits.train.sentences
    assert not splits.val.sentences
    of_reader, of_entities = splits.notes
    assert of_reader == "read well"
    assert names(of_entities, "0 of 1 entities", "types of another split", "as O")
    assert [splits.split(part).name for part in PARTS] == ["own/train", "own/val", "own/test"]
