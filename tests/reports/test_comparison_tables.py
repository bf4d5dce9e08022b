"""Tables of comparisons, written three ways."""

from __future__ import annotations

import csv as csv_reader
import io

import numpy as np
import pytest

from metamann.evaluation.comparison import Contestant, compare
from metamann.reports.comparison_tables import cells, csv, latex, markdown

HARD = np.random.default_rng(0).uniform(0.2, 1.0, 300)  # how hard each episode is, for everyone


def contestant(name: str, *scores: np.ndarray) -> Contestant:
    right = np.stack(scores)
    return Contestant(name, tuple(range(len(right))), right, np.ones_like(right), {"parameters": 1234567})


def test_a_p_value_is_never_said_to_be_smaller_than_resampling_can_tell() -> None:
    rows = compare([contestant("a", HARD), contestant("b", HARD - 0.1), contestant("c", HARD + 1e-9 * (HARD - 0.6))])
    _, body = cells(rows, "accuracy")
    assert [line[4] for line in body][:2] == ["", "< 0.01"]
    assert float(body[2][4]) > 0.01


def test_the_table_is_the_same_three_ways() -> None:
    rows = compare([contestant('the "first", a_b', HARD), contestant("b", HARD - 0.1, HARD)])
    head, body = cells(rows, "accuracy")
    assert list(csv_reader.reader(io.StringIO(csv(head, body)))) == [head, *body]
    lines = markdown(head, body).splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("| b |")
    assert "-10.00 (-10.00 to -10.00)" in lines[3]
    assert lines[3].endswith("| 1,234,567 |")
    tex = latex(head, body)
    assert r"\%" in tex
    assert r"a\_b" in tex
    assert tex.count(r"\\") == 3


def test_characters_that_mean_something_elsewhere_are_escaped() -> None:
    head, body = ["learner"], [[r"a|b & {c} $d$ #1 ~ ^ \e < 1 %"]]
    assert markdown(head, body).splitlines()[2] == r"| a\|b & {c} $d$ #1 ~ ^ \e < 1 % |"
    line = latex(head, body).splitlines()[4]
    assert line == (r"a|b \& \{c\} \$d\$ \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}e $<$ 1 \% \\")


def test_a_score_of_nothing_asked_is_0() -> None:
    nothing = np.zeros((1, 3))
    _, body = cells(compare([Contestant("none", (0,), nothing, nothing, {})]), "f1")
    assert body[0][1] == "0.00 ± 0.00"


@pytest.mark.parametrize(("episodes", "printed"), [(4, "0.12"), (10, "< 0.01"), (1000, "< 0.01")])
def test_smaller_is_said_only_where_the_episodes_can_show_it(episodes: int, printed: str) -> None:
    scores = np.random.default_rng(0).uniform(0.2, 1.0, episodes)
    _, body = cells(compare([contestant("a", scores), contestant("b", scores - 0.1)]), "accuracy")
    assert body[1][4] == printed
