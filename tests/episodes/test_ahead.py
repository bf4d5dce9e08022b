"""Batches prepared ahead: in order, only so far ahead, errors where they belong, nothing left running."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from metamann.episodes.ahead import BATCHES_AHEAD, prepared_ahead

BATCHES = [range(start, start + 3) for start in range(0, 60, 3)]


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order_and_no_further_ahead_than_said(workers: int) -> None:
    begun: list[int] = []

    def prepare(indices: Sequence[int]) -> list[int]:
        begun.append(indices[0])
        return list(indices)

    for done, batch in enumerate(prepared_ahead(prepare, BATCHES, workers)):
        assert batch == list(BATCHES[done])
        assert len(begun) <= done + 1 + workers * BATCHES_AHEAD
    assert len(begun) == len(BATCHES)


def test_an_error_comes_out_at_its_batch() -> None:
    def prepare(indices: Sequence[int]) -> int:
        if indices[0] == 6:
            raise ValueError("batch 2")
        return indices[0]

    batches = prepared_ahead(prepare, BATCHES, workers=2)
    assert [next(batches), next(batches)] == [0, 3]
    with pytest.raises(ValueError, match="batch 2"):
        next(batches)


def test_leaving_halfway_ends_the_threads() -> None:
    batches = prepared_ahead(list, BATCHES, workers=2)
    next(batches)
    batches.close()  # type: ignore[attr-defined]  # a generator
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("episodes")]
