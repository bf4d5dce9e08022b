"""WNUT-17: the published counts; no text in two splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metamann.data.sentences.wnut17 import wnut17
from metamann.errors import DataError


def test_counts_are_the_published_ones(text_data: Path, count: Callable[..., tuple[int, ...]]) -> None:
    splits = wnut17()
    assert [count(splits.split(part).sentences) for part in ("train", "val", "test")] == [
        (3394, 62730, 1975, 6),
        (1009, 15733, 836, 6),
        (1287, 23394, 1079, 6),
    ]
    assert set(splits.shared_texts.values()) == {0}
    assert splits.train.types == ("corporation", "creative-work", "group", "location", "person", "product")


def test_missing_files_are_named_with_their_folder(no_data: Path) -> None:
    with pytest.raises(DataError, match=rf"put wnut17train\.conll in {no_data}/wnut17"):
        wnut17()
