"""CrossNER: the published counts of every domain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metamann.data.sentences.crossner import crossner
from metamann.errors import DataError

COUNTS = {
    "ai": [(100, 3782, 532, 14), (350, 10919, 1549, 14), (431, 12991, 1809, 14)],
    "literature": [(100, 3782, 541, 12), (400, 14503, 2130, 12), (416, 16157, 2266, 12)],
    "music": [(100, 3909, 648, 13), (380, 15591, 2679, 13), (465, 19605, 3336, 13)],
    "politics": [(200, 8384, 1304, 9), (541, 24624, 3482, 9), (651, 27585, 4209, 9)],
    "science": [(200, 7100, 1075, 17), (450, 16139, 2538, 17), (543, 19487, 3089, 17)],
}


@pytest.mark.parametrize("domain", COUNTS)
def test_counts_are_the_published_ones(text_data: Path, domain: str, count: Callable[..., tuple[int, ...]]) -> None:
    splits = crossner(domain)
    assert [count(splits.split(part).sentences) for part in ("train", "val", "test")] == COUNTS[domain]
    assert splits.test.name == f"crossner/{domain}/test"
    assert not any("would not" in note for note in splits.notes)


def test_unknown_domains_and_missing_files_are_named(no_data: Path) -> None:
    with pytest.raises(DataError, match=r"no domain 'news'; set data\.domain to ai, literature"):
        crossner("news")
    with pytest.raises(DataError, match=rf"put train\.txt in {no_data}/crossner/music"):
        crossner("music")
