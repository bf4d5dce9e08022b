"""Every picture takes any name: as plain text, shortened, without a warning."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from metamann.errors import LONGEST_MESSAGE
from metamann.evaluation.comparison import Contestant, compare
from metamann.evaluation.metrics import Interval
from metamann.reports.pictures import BOX, LONG_NAME, NAME, TITLE, drawable, new_figure, write_figure
from metamann.reports.plots import (
    plot_accuracy_matrices,
    plot_comparison,
    plot_curves,
    plot_error_rates,
    plot_forgetting,
    plot_instances,
)
from metamann.reports.sentence_plots import plot_confusion, plot_support_sizes

SOME_NAMES = ["$\\foo$", "_hidden", "", "\ud800", "n" * 300, "\u5317" * 300]
NAMES = [
    *SOME_NAMES, "a$b$c", "\\$", "$", "$$", "x_1^{2", " ", "a\nb\tc", "\x00", "\x07", "\u202e", "\u5317\u4eac", "😀",
    "\u0301", "{name}", "%s", "$" * 301,
]  # fmt: skip


def comparison(name: str) -> Figure:
    scores = np.random.default_rng(0).uniform(0.5, 1, (1, 30))
    rows = compare([Contestant(each, (0,), scores, np.ones_like(scores), {}) for each in (name, "other")])
    return plot_comparison(rows, "accuracy", name)


def sizes(name: str) -> Figure:
    counts = np.random.default_rng(0).integers(1, 9, (6, 9))
    return plot_support_sizes(counts, np.arange(6), "io", name)


MATRIX = np.where(np.tril(np.ones((4, 4), dtype=bool)), 0.7, np.nan)
FIGURES: dict[str, Callable[[str], Figure]] = {
    "comparison": comparison,
    "confusion": lambda name: plot_confusion(np.ones((3, 3), dtype=int), (name, "other"), name),
    "support sizes": sizes,
    "forgetting": lambda name: plot_forgetting({name: MATRIX[:, 0]}, 5, name, "accuracy"),
    "matrices": lambda name: plot_accuracy_matrices({name: MATRIX, f"{name} ": MATRIX}, name),
    "instances": lambda name: plot_instances({"accuracy/instance_1": Interval(0.5, 0.4, 0.6)}, 4, name, {}),
    "error rates": lambda name: plot_error_rates(Interval(0.2, 0.1, 0.3), name),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_every_picture_takes_any_name(kind: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES if kind == "confusion" else SOME_NAMES:
            write_figure(tmp_path / "picture.png", FIGURES[kind](name))
            with Image.open(tmp_path / "picture.png") as image:
                drawn = np.asarray(image.convert("L"))
            assert (drawn < 128).sum() > 500


def drawn_texts(path: Path, monkeypatch: pytest.MonkeyPatch, figure: Figure) -> list[tuple[str, bool]]:
    """Every text of a picture as it was drawn, and whether it was taken for a formula."""
    found = []
    preprocess = Text._preprocess_math

    def watched(text: Text, string: str) -> tuple[str, bool]:
        result: tuple[str, bool] = preprocess(text, string)
        found.append((result[0], bool(result[1])))
        return result

    monkeypatch.setattr(Text, "_preprocess_math", watched)
    write_figure(path, figure)
    return found


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("usetex", [False, True])
def test_no_name_is_a_formula_and_none_is_changed(
    kind: str, usetex: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mpl.rc_context({"text.parse_math": True, "text.usetex": usetex}):
        texts = drawn_texts(tmp_path / "some.png", monkeypatch, FIGURES[kind]("a$b$ \\$ $\\c$"))
    assert "a$b$ \\$ $\\c$" in {text for text, _ in texts}
    assert not any(formula for _, formula in texts)


def test_ticks_of_a_logarithm_are_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [{"kind": "train", "step": step, "loss": 10.0 ** (2 - step), "accuracy": 0.5} for step in range(6)]
    texts = drawn_texts(tmp_path / "curves.png", monkeypatch, plot_curves(events, "some", "some", "some"))
    assert {"0.01", "1", "100"} <= {text for text, _ in texts}
    assert not any("$" in text for text, _ in texts)


def test_threads_that_draw_at_once_do_not_meet(tmp_path: Path) -> None:
    names = [*FIGURES]

    def draw(number: int) -> bytes:
        path = tmp_path / f"{number}.png"
        write_figure(path, FIGURES[names[number]](f"$x$ \u5317 {names[number]}"))
        return path.read_bytes()

    settings, filters = dict(mpl.rcParams), list(warnings.filters)
    alone = [draw(number) for number in range(len(names))]
    seen: list[bool] = []
    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(draw, number) for number in range(len(names))]
        while not all(each.done() for each in running):
            seen.append(dict(mpl.rcParams) == settings and list(warnings.filters) == filters)
            time.sleep(0.02)
    assert [each.result() for each in running] == alone
    assert seen
    assert all(seen)


def test_drawing_needs_no_pyplot() -> None:
    code = (
        "import sys, os, metamann.reports.plots, metamann.reports.episode_plots, metamann.reports.sentence_plots\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'MPLBACKEND' not in os.environ"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_gap_in_the_record_is_a_gap_in_the_curve(tmp_path: Path) -> None:
    events = [{"kind": "train", "step": step, "loss": 1.0, "accuracy": 0.5} for step in range(6)]
    write_figure(tmp_path / "whole.png", plot_curves(events, "some", "some", "some"))
    write_figure(
        tmp_path / "gap.png",
        plot_curves([*events[:2], {**events[2], "accuracy": None}, *events[3:]], "some", "some", "some"),
    )
    whole, gap = ((np.asarray(Image.open(tmp_path / name)) < 200).sum() for name in ("whole.png", "gap.png"))
    assert gap < whole


def test_names_are_shortened_in_the_middle() -> None:
    assert len(drawable("n" * 300)) == NAME < LONG_NAME < TITLE < LONGEST_MESSAGE
    assert drawable("first " * 50 + "last", LONG_NAME).startswith("first")
    assert drawable("first " * 50 + "last", LONG_NAME).endswith("last")
    assert drawable("a\nb") == "a b"
    assert len(drawable("\u5317" * 300)) == NAME // 2
    assert drawable("\u5317" * 10) in ("\u5317" * 10, BOX * 10)  # by the fonts that are installed
    assert drawable("\ud800") == "\\ud800"
    assert drawable("_a") != "_a"  # a legend would leave it out


def test_a_figure_that_cannot_be_drawn_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = new_figure(3, 3)
    figure.set_size_inches(1e6, 1e6)
    with pytest.raises(ValueError, match="too large"):
        write_figure(tmp_path / "some.png", figure)
    assert list(tmp_path.iterdir()) == []
