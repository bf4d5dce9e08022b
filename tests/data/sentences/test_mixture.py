"""A mixture of corpora: whole corpora in one part, types of their own, no sentence of another part in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metamann.data.sentences import mixture as mixtures
from metamann.data.sentences.corpora import CORPORA, read_corpus
from metamann.data.sentences.mixture import MixtureStore, mixture
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five corpora; `re3d`, `craft` and `btc` hold the same sentence about Ada."""
    names = {"btc": "Ada Grace", "anem": "Alan Kurt", "craft": "Ada Emmy", "wikigold": "Rosa", "re3d": "Ada Sofia"}

    def read(name: str) -> Any:
        return tuple(Sentence((word, "codes"), (Span(0, 1, "PER"),)) for word in names[name].split()), ()

    monkeypatch.setattr(mixtures, "read_corpus", read)


def test_types_of_one_name_stay_apart(toy: None) -> None:
    train = mixture({"btc": 1, "anem": 2}, {"wikigold": 1}, {"craft": 1}).train
    assert isinstance(train, MixtureStore)
    assert train.types == ("anem/PER", "btc/PER")
    assert train.weights == (1, 2)
    assert [store.name for store in train.corpora] == ["btc", "anem"]


def test_sentences_of_other_parts_are_left_out_of_training_and_counted(toy: None) -> None:
    splits = mixture({"btc": 1, "anem": 1}, {"wikigold": 1}, {"craft": 1})
    assert [sentence.tokens[0] for sentence in splits.train.sentences] == ["Grace", "Alan", "Kurt"]
    assert [sentence.tokens[0] for sentence in splits.test.sentences] == ["Ada", "Emmy"]
    assert splits.shared_texts["train", "test"] == 0
    assert splits.notes == ("btc: 1 sentences of val, test or `without` are left out",)
    without = mixture({"btc": 1}, {"wikigold": 1}, {"anem": 1}, without=["re3d"])
    assert [sentence.tokens[0] for sentence in without.train.sentences] == ["Grace"]


def test_all_that_episodes_are_drawn_from_is_in_the_fingerprint(toy: None) -> None:
    def fingerprint(train: Any) -> str:
        return mixture(train, {"wikigold": 1}, {"craft": 1}).train.fingerprint

    assert fingerprint({"btc": 1, "anem": 2}) == fingerprint({"btc": 1.0, "anem": 2.0})
    others = [{"btc": 1, "anem": 3}, {"anem": 2, "btc": 1}, {"btc": 1}]
    assert len({fingerprint(train) for train in ({"btc": 1, "anem": 2}, *others)}) == 4


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        (({"btc": 1}, {"btc": 1}, {"anem": 1}), r"'btc' stands in train and val"),
        (({"btx": 1}, {"anem": 1}, {"craft": 1}), r"no corpus 'btx'.*btc"),
        (({"btc": 0}, {"anem": 1}, {"craft": 1}), r"data\.train\.btc=0"),
        (({"btc": float("nan")}, {"anem": 1}, {"craft": 1}), r"data\.train\.btc=nan"),
        (({"btc": 1}, {}, {"craft": 1}), r"data\.val names no corpus"),
        (("btc", {"anem": 1}, {"craft": 1}), r"data\.train=btc must name corpora"),
        (({"btc": 1}, {"anem": 1}, {"craft": 1}, "re3d"), r"data\.without=re3d must be a list"),
    ],
)
def test_what_is_no_mixture_is_refused_by_name(parts: Any, named: str, toy: None) -> None:
    with pytest.raises(DataError, match=named):
        mixture(*parts)


@pytest.mark.parametrize(
    ("name", "sentences", "entities", "types"),
    [("anem", 4697, 3135, 11), ("btc", 9338, 14885, 3), ("re3d", 965, 3394, 10), ("sec_filings", 1467, 1486, 4)],
)
def test_counts_of_corpora_are_those_known(
    name: str, sentences: int, entities: int, types: int, text_data: Path
) -> None:
    read, _ = read_corpus(name)
    spans = [span for sentence in read for span in sentence.spans]
    assert (len(read), len(spans), len({span.type for span in spans})) == (sentences, entities, types)


def test_an_unknown_corpus_is_refused() -> None:
    with pytest.raises(DataError, match=rf"'btx'.*{next(iter(CORPORA))}"):
        read_corpus("btx")
