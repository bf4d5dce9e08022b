"""The table of a sweep takes whatever its jobs have written."""

from __future__ import annotations

import math

from metamann.commands.sweep import _interval


def test_an_end_that_is_not_finite_is_null_in_a_file_and_no_number_in_a_table() -> None:
    mean, low, high = _interval({"mean": 1.5, "low": 0.0, "high": None})
    assert (mean, low) == (1.5, 0.0)
    assert math.isnan(high)
