"""A setting that is a number or a range: both ends are drawn, and what is neither is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metamann.episodes import ranges
from metamann.errors import EpisodeError


def test_every_number_of_a_range_is_drawn_and_no_other() -> None:
    rng = np.random.default_rng(0)
    assert {ranges.draw([2, 5], rng) for _ in range(200)} == {2, 3, 4, 5}


@pytest.mark.parametrize("value", [3, [3, 3]])
def test_where_there_is_no_choice_nothing_is_drawn(value: Any) -> None:
    rng = np.random.default_rng(0)
    assert ranges.draw(value, rng) == 3
    assert rng.random() == np.random.default_rng(0).random()


def test_ends_and_print_of_both_forms() -> None:
    assert (ranges.ends(4), ranges.plain(4)) == ((4, 4), 4)
    assert (ranges.ends((1, 6)), ranges.plain((1, 6))) == ((1, 6), [1, 6])


@pytest.mark.parametrize("value", [0, [0, 3], [4, 3], "3", [1, 2.5], [1, 2, 3], None, [True, 2]])
def test_what_is_no_range_is_refused_by_name(value: Any) -> None:
    with pytest.raises(EpisodeError, match=r"protocol\.lengths"):
        ranges.check("protocol.lengths", value)
