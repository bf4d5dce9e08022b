"""CoNLL-2003: the published counts, borders between neighbours of one type included."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from metamann.data.sentences.conll2003 import conll2003
from metamann.data.sentences.store import SentenceSplits
from metamann.errors import DataError

TYPES = {
    "train": {"LOC": 7140, "PER": 6600, "ORG": 6321, "MISC": 3438},
    "val": {"PER": 1842, "LOC": 1837, "ORG": 1341, "MISC": 922},
    "test": {"LOC": 1668, "ORG": 1661, "PER": 1617, "MISC": 702},
}


@pytest.fixture(scope="module")
def splits(text_data: Path) -> SentenceSplits:
    return conll2003()


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        ("train", (14041, 203621, 23499, 4)),
        ("val", (3250, 51362, 5942, 4)),
        ("test", (3453, 46435, 5648, 4)),
    ],
)
def test_counts_are_the_published_ones(
    splits: SentenceSplits, part: str, counts: tuple[int, ...], count: Callable[..., tuple[int, ...]]
) -> None:
    sentences = splits.split(part).sentences
    assert count(sentences) == counts
    assert Counter(span.type for sentence in sentences for span in sentence.spans) == TYPES[part]


def test_the_files_are_stated_with_the_two_tags_that_iob1_would_not_put_there(splits: SentenceSplits) -> None:
    assert not splits.disjoint_types
    assert splits.notes[0].startswith("eng.train: CoNLL, 4 columns, word first, tag last, IOB1, ")
    assert re.match(r"eng\.train: 2 of [\d,]+ tags .*IOB1 would not", splits.notes[1])
    assert not any("would not" in note for note in splits.notes[2:])


def test_missing_files_are_named_with_their_folder(no_data: Path) -> None:
    with pytest.raises(DataError, match=rf"eng\.train of the English files .* in {no_data}/conll2003"):
        conll2003()
