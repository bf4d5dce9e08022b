"""Every picture takes any name: as plain text, shortened, without a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from PIL import Image

from metamann.errors import LONGEST_MESSAGE
from metamann.evaluation.comparison import Contestant, compare
from metamann.evaluation.metrics import Interval
from metamann.reports.pictures import LONG_NAME, NAME, TITLE, drawable, picture
from metamann.reports.plots import (
    plot_accuracy_matrices,
    plot_comparison,
    plot_curves,
    plot_error_rates,
    plot_forgetting,
    plot_instances,
)
from metamann.reports.sentence_report import plot_confusion, plot_support_sizes

SOME_NAMES = ["$\\foo$", "_hidden", "", "\ud800", "n" * 300, "\u5317" * 300]
NAMES = [
    *SOME_NAMES, "a$b$c", "\\$", "$", "$$", "x_1^{2", " ", "a\nb\tc", "\x00", "\x07", "\u202e", "\u5317\u4eac", "😀",
    "\u0301", "{name}", "%s", "$" * 301,
]  # fmt: skip


def comparison(path: Path, name: str) -> None:
    scores = np.random.default_rng(0).uniform(0.5, 1, (1, 30))
    rows = compare([Contestant(each, (0,), scores, np.ones_like(scores), {}) for each in (name, "other")])
    plot_comparison(path, rows, "accuracy", name)


def sizes(path: Path, name: str) -> None:
    counts = np.random.default_rng(0).integers(1, 9, (6, 9))
    plot_support_sizes(path, counts, np.arange(6), "io", name)


MATRIX = np.where(np.tril(np.ones((4, 4), dtype=bool)), 0.7, np.nan)
PICTURES: dict[str, Callable[[Path, str], None]] = {
    "comparison": comparison,
    "confusion": lambda path, name: plot_confusion(path, np.ones((3, 3), dtype=int), (name, "other"), name),
    "support sizes": sizes,
    "forgetting": lambda path, name: plot_forgetting(path, {name: MATRIX[:, 0]}, 5, name, "accuracy"),
    "matrices": lambda path, name: plot_accuracy_matrices(path, {name: MATRIX, f"{name} ": MATRIX}, name),
    "instances": lambda path, name: plot_instances(path, {"accuracy/instance_1": Interval(0.5, 0.4, 0.6)}, 4, name),
    "error rates": lambda path, name: plot_error_rates(path, Interval(0.2, 0.1, 0.3), name),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_picture_takes_any_name(kind: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES if kind == "confusion" else SOME_NAMES:
            PICTURES[kind](tmp_path / "picture.png", name)
            with Image.open(tmp_path / "picture.png") as image:
                drawn = np.asarray(image.convert("L"))
            assert (drawn < 128).sum() > 500
    assert plt.get_fignums() == []


def drawn_texts(path: Path, monkeypatch: pytest.MonkeyPatch, draw: Callable[[Path], None]) -> list[tuple[str, bool]]:
    """Every text of a picture as it was drawn, and whether it was taken for a formula."""
    found = []
    preprocess = Text._preprocess_math

    def watched(text: Text, string: str) -> tuple[str, bool]:
        result: tuple[str, bool] = preprocess(text, string)
        found.append((result[0], bool(result[1])))
        return result

    monkeypatch.setattr(Text, "_preprocess_math", watched)
    draw(path)
    return found


@pytest.mark.parametrize("kind", PICTURES)
def test_no_name_is_a_formula_and_none_is_changed(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with plt.rc_context({"text.parse_math": True}):
        texts = drawn_texts(tmp_path / "some.png", monkeypatch, lambda path: PICTURES[kind](path, "a$b$ \\$ $\\c$"))
    assert "a$b$ \\$ $\\c$" in {text for text, _ in texts}
    assert not any(formula for _, formula in texts)


def test_ticks_of_a_logarithm_are_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [{"kind": "train", "step": step, "loss": 10.0 ** (2 - step), "accuracy": 0.5} for step in range(6)]
    texts = drawn_texts(tmp_path / "curves.png", monkeypatch, lambda path: plot_curves(path, events))
    assert {"1e-01", "1e-02"} <= {text.replace("\u2212", "-") for text, _ in texts}
    assert not any("$" in text for text, _ in texts)


def test_a_gap_in_the_record_is_a_gap_in_the_curve(tmp_path: Path) -> None:
    events = [{"kind": "train", "step": step, "loss": 1.0, "accuracy": 0.5} for step in range(6)]
    plot_curves(tmp_path / "whole.png", events)
    plot_curves(tmp_path / "gap.png", [*events[:2], {**events[2], "accuracy": None}, *events[3:]])
    whole, gap = ((np.asarray(Image.open(tmp_path / name)) < 200).sum() for name in ("whole.png", "gap.png"))
    assert gap < whole


def test_names_are_shortened_in_the_middle() -> None:
    assert len(drawable("n" * 300)) == NAME < LONG_NAME < TITLE < LONGEST_MESSAGE
    assert drawable("first " * 50 + "last", LONG_NAME).startswith("first")
    assert drawable("first " * 50 + "last", LONG_NAME).endswith("last")
    assert drawable("a\nb") == "a b"
    assert len(drawable("\u5317" * 300)) == NAME // 2
    assert drawable("\u5317" * 10) == "\u5317" * 10
    assert drawable("\ud800") == "\\ud800"
    assert drawable("_a") != "_a"  # a legend would leave it out


def test_what_fails_while_drawing_leaves_no_figure_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "some.png", 3, 3) as figure:
        figure.subplots().plot([1 / 0])
    assert plt.get_fignums() == []
    assert list(tmp_path.iterdir()) == []
