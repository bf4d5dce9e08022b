"""Tag numbers: O is 0, classes follow, and both ways agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.episodes.sentences.tagging import check_scheme, n_tags, number_tags, read_classes
from metamann.errors import EpisodeError

schemes = pytest.mark.parametrize("scheme", ["io", "bio"])


def test_numbers_are_those_of_the_contract() -> None:
    classes, begins = np.array([-1, 0, 0, 2, 2]), np.array([False, True, False, True, False])
    assert number_tags("io", classes, begins).tolist() == [0, 1, 1, 3, 3]
    assert number_tags("bio", classes, begins).tolist() == [0, 1, 2, 5, 6]
    assert (n_tags("io", 3), n_tags("bio", 3)) == (4, 7)


@schemes
@given(tokens=st.lists(st.tuples(st.integers(0, 4), st.booleans())))
def test_classes_are_read_as_they_were_numbered(scheme: str, tokens: list[tuple[int, bool]]) -> None:
    classes = np.array([number for number, _ in tokens], dtype=np.int64)
    begins = np.array([begin for _, begin in tokens], dtype=bool)
    tags = number_tags(scheme, classes, begins)  # type: ignore[arg-type]
    assert ((tags >= 1) & (tags < n_tags(scheme, 5))).all()  # type: ignore[type-var]
    found, found_begins = read_classes(scheme, tags)  # type: ignore[arg-type]
    assert found.tolist() == classes.tolist()
    assert found_begins.tolist() == (begins.tolist() if scheme == "bio" else [False] * len(tokens))


@schemes
def test_outside_and_padding_are_no_class(scheme: str) -> None:
    classes, begins = read_classes(scheme, np.array([0, -100, 1]))  # type: ignore[arg-type]
    assert classes.tolist() == [-1, -1, 0]
    assert begins.tolist()[:2] == [False, False]


def test_an_unknown_scheme_is_refused() -> None:
    check_scheme("io")
    with pytest.raises(EpisodeError, match=r"protocol\.scheme=iobes.*io or bio"):
        check_scheme("iobes")
