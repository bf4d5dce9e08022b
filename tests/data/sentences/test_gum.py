"""GUM: the published counts; validation is the end of the training file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metamann.data.sentences.gum import gum
from metamann.errors import DataError


def test_counts_are_the_published_ones(text_data: Path, count: Callable[..., tuple[int, ...]]) -> None:
    splits = gum()
    assert count(splits.train.sentences + splits.val.sentences) == (2495, 44111, 8285, 11)
    assert count(splits.test.sentences) == (1000, 18236, 3439, 11)
    assert [len(splits.split(part).sentences) for part in ("train", "val")] == [2000, 495]
    assert splits.train.types == splits.val.types == splits.test.types


def test_missing_files_are_named_with_their_folder(no_data: Path) -> None:
    with pytest.raises(DataError, match=rf"put gum-train\.conll in {no_data}/gum"):
        gum()
