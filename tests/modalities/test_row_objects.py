"""Rows of features as examples of a task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metamann.episodes.items.protocols import LabelCodes
from metamann.errors import MetamannError
from metamann.modalities.item_objects import ItemObjects, Rows


def test_rows_are_read_alike() -> None:
    objects = ItemObjects(Rows(2), LabelCodes(), 5)
    expected = torch.tensor([3.0, 4.0])
    for row in ([3, 4], np.array([3.0, 4.0]), torch.tensor([3.0, 4.0])):
        assert objects.is_one(row)
        assert torch.equal(objects.read_query(row), expected)
    for rows in ([[3, 4], [5, 6]], np.ones((2, 2)), torch.ones(2, 2)):
        assert not objects.is_one(rows)
        assert [example.label for example in objects.read_labelled({"a": rows})] == ["a", "a"]


@pytest.mark.parametrize(
    ("row", "message"), [([1, 2, 3], "2 numbers a row"), ([1.0, float("nan")], "finite"), ("ab", "no row")]
)
def test_wrong_rows_are_refused(row: Any, message: str) -> None:
    with pytest.raises(MetamannError, match=message):
        Rows(2).read(row)
