"""The checks of settings: what is taken, and the line that refuses the rest."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.errors import (
    LARGEST_SEED,
    LONGEST_MESSAGE,
    CheckpointError,
    ConfigError,
    DataError,
    EpisodeError,
    MetamannError,
    TrainingError,
    check_choice,
    check_number,
    check_seed,
    check_size,
    check_sizes,
    printable,
)

anything = st.one_of(
    st.integers(),
    st.integers(10**300, 10**310),
    st.floats(),
    st.text(),
    st.booleans(),
    st.none(),
    st.lists(st.floats()),
)


@pytest.mark.parametrize(
    ("value", "least", "most"), [(0, 0, 1), (1, 0, 1), (0.5, 0, 1), (-3, -5, 5), (10**18, 0, 10**18)]
)
def test_numbers_within_their_bounds_are_taken(value: float, least: float, most: float) -> None:
    check_number("a.b", value, least=least, most=most)


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (-1, {"least": 0}, "a.b=-1 must be at least 0."),
        (1.5, {"least": 0, "most": 1}, "a.b=1.5 must be at most 1."),
        (1.5, {"least": 0, "whole": True}, "a.b=1.5 must be a whole number, at least 0."),
        (0, {"least": 0, "above": True}, "a.b=0 must be above 0."),
        (True, {}, "a.b=true must be a number."),
        (None, {}, "a.b=null must be a number."),
        ("3", {}, "a.b=3 must be a number."),
        (math.nan, {"least": 1}, "a.b=nan must be a number, at least 1."),
        (math.inf, {}, "a.b=inf must be a number."),
        (10**400, {}, "must be at most 1000000000000000000."),
        (-(10**400), {}, "must be at least -1000000000000000000."),
    ],
)
def test_other_values_are_named_with_their_setting(value: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_number("a.b", value, **options)
    assert str(error.value).endswith(message)


@given(anything)
def test_nothing_but_the_one_error_comes_of_any_value(value: Any) -> None:
    for check in (check_number, check_size, check_seed):
        try:
            check("a.b", value)
        except MetamannError as error:
            message = str(error)
        else:
            message = "a.b="
        assert message.startswith("a.b=")
        assert len(message) <= LONGEST_MESSAGE


@pytest.mark.parametrize("seed", [0, 1, 2**63, LARGEST_SEED])
def test_seeds_up_to_64_bits_are_taken(seed: int) -> None:
    check_seed("seed", seed)


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1, 10**400, 1.0, "x", "1", True, None])
def test_other_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(ConfigError, match=r"^data\.seed=.* must be"):
        check_seed("data.seed", seed)


def test_a_size_is_optional_where_it_is_said_to_be() -> None:
    check_size("memory.key_width", None, optional=True)
    for size in (None, 0, 10**12, 1e30, "8"):
        with pytest.raises(ConfigError, match=r"memory\.slots="):
            check_size("memory.slots", size)


@pytest.mark.parametrize("values", [3, "123", [1, 2], [1, 2, 0], [1, 2, True], [1, 2, 11], [1, 2, 3, 4], None])
def test_one_size_a_part_is_wanted(values: Any) -> None:
    check_sizes("data.sentences", (1, 2, 10), ("train", "val", "test"), most=10)
    with pytest.raises(ConfigError, match=r"data\.sentences=.* 3 whole numbers from 1 to 10.*train, val, test"):
        check_sizes("data.sentences", values, ("train", "val", "test"), most=10)


@pytest.mark.parametrize(
    ("known", "choices"),
    [(("a",), "choose a."), (("a", "b"), "choose a or b."), (("a", "b", "c"), "choose a, b or c.")],
)
def test_what_may_be_chosen_is_said(known: tuple[str, ...], choices: str) -> None:
    check_choice("memory.evict", "a", known)
    for value in ("foo", 3, None, ["a"]):
        with pytest.raises(ConfigError) as error:
            check_choice("memory.evict", value, known)
        assert str(error.value).endswith(choices)


def test_a_number_of_more_digits_than_python_prints_is_refused() -> None:
    limit = sys.get_int_max_str_digits()
    with pytest.raises(ConfigError, match=r"^seed="):
        check_seed("seed", 10 ** (limit + 10))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Zo\u00eb, \u5317\u4eac \U0001f469\u200d\U0001f680", None),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\x07\x9bb", "a\\x07\\x9bb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
    ],
    ids=ascii,
)
def test_what_a_file_says_cannot_steer_a_terminal(text: str, shown: str | None) -> None:
    assert str(MetamannError(text)) == printable(text) == (text if shown is None else shown)


def test_from_python_the_errors_of_a_user_are_value_errors() -> None:
    for kind in (ConfigError, DataError, EpisodeError, CheckpointError, TrainingError):
        with pytest.raises(ValueError, match="choose another"):
            raise kind("choose another.")
