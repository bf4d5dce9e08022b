"""Published episodes: words and labels become sentences; splits that were not published are empty."""

from __future__ import annotations

from typing import Any

import pytest

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore, fixed_splits, tagged_sentences
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError

ONE = Sentence(("a", "b"), (Span(0, 1, "x"),))
TWO = Sentence(("c",), (Span(0, 1, "y"),))
EPISODE = FixedEpisode((ONE,), (TWO,), ("x", "y"))


def test_words_and_labels_become_sentences() -> None:
    assert tagged_sentences("f", [["a", "b"], ["c"]], [["B-x", "O"], ["B-y"]], "IOB2") == (ONE, TWO)
    assert tagged_sentences("f", [["a", "b"], ["c"]], [["x", "O"], ["y"]], "IO") == (ONE, TWO)
    assert tagged_sentences("f", [], [], "IO") == ()


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ([["a"]], [["O", "O"]]),
        ([["a"]], []),
        ([["a"], "b"], [["O"], ["O"]]),
        ([["a", ""]], [["O", "O"]]),
        ([["a", 1]], [["O", "O"]]),
        (None, None),
        ([["a"]], [["person"]]),
    ],
)
def test_what_is_no_sentence_is_refused_with_its_place(words: Any, tags: Any) -> None:
    with pytest.raises(DataError, match=r"^file, row 3: .*replace the file"):
        tagged_sentences("file, row 3", words, tags, "IOB2")


def test_splits_that_were_not_published_are_empty() -> None:
    splits = fixed_splits("set", val=[EPISODE])
    assert splits.split("val").episodes == (EPISODE,)
    assert [splits.split(part).name for part in ("train", "val", "test")] == ["set/train", "set/val", "set/test"]
    assert splits.split("train").episodes == splits.split("test").episodes == ()
    with pytest.raises(DataError, match="no split 'dev'"):
        splits.split("dev")


def test_types_words_and_fingerprint_of_a_store() -> None:
    store = FixedEpisodeStore("set/val", (EPISODE, EPISODE._replace(types=("z",))))
    assert store.types == ("x", "y", "z")
    assert store.lexicon == ("a", "b", "c")
    others = [
        FixedEpisodeStore("set/val", (EPISODE,)),
        FixedEpisodeStore("set/val", store.episodes[::-1]),
        FixedEpisodeStore("set/val", (EPISODE, EPISODE)),
        FixedEpisodeStore("set/val", (EPISODE._replace(query=(ONE,)), store.episodes[1])),
    ]
    assert FixedEpisodeStore("other", store.episodes).fingerprint == store.fingerprint
    assert len({each.fingerprint for each in [store, *others]}) == 5
