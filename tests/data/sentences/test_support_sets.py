"""Fixed support sets: ten of each, every type at least K times, the query the whole test part."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from metamann.data.sentences.support_sets import support_sets
from metamann.errors import DataError


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize(
    ("corpus", "queries", "types"), [("conll2003", 3453, 4), ("wnut17", 1287, 6), ("gum", 1000, 11)]
)
def test_sets_hold_every_type_and_ask_for_the_whole_test_part(
    text_data: Path, corpus: str, queries: int, types: int, shots: int
) -> None:
    splits = support_sets(corpus, shots)
    episodes = splits.test.episodes
    assert len(episodes) == 10
    assert len({episode.support for episode in episodes}) == 10
    assert not splits.train.episodes
    assert not splits.val.episodes
    for episode in episodes:
        assert episode.query is episodes[0].query
        assert len(episode.query) == queries
        counts = Counter(span.type for sentence in episode.support for span in sentence.spans)
        assert set(counts) == set(episode.types)
        assert len(episode.types) == types
        assert min(counts.values()) >= shots


def test_unknown_sets_and_missing_files_are_named(no_data: Path) -> None:
    with pytest.raises(DataError, match=r"no support sets .*'i2b2'.*data\.corpus to conll2003, wnut17, gum"):
        support_sets("i2b2")
    with pytest.raises(DataError, match=r"no support sets .*10 shots.*data\.shots to 1 or 5"):
        support_sets("gum", 10)
    with pytest.raises(DataError, match=r"eng\.train"):
        support_sets()
