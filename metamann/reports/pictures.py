"""How every picture is made and written: names are plain text, whatever characters they have.

Figures are objects of their own: nothing that other threads share is touched, no setting of matplotlib, no filter of
warnings, no list of open figures.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, Locator, NullLocator, ScalarFormatter

from metamann.data.cache import write_atomically
from metamann.errors import shorten

NAME, LONG_NAME, TITLE = 40, 60, 100  # characters that there is room for
WIDTH = 7.2  # inches, 792 pixels: the width of a page that shows a README
SMALL = 8  # points, the least that is read at this width
DPI = 110
BOX = "\u25af"  # as fonts draw a character that they lack


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """An empty figure.

    Args:
        width: inches.
        height: inches.
        title: over it, of any length, with any characters.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(drawable(title, TITLE), fontsize=9)
    return figure


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as a PNG, as a whole or not at all; none of its texts is taken for a formula.

    Args:
        path: to write.
        figure: to be drawn.
    """
    texts = figure.findobj(Text)
    for axis in figure.findobj(Axis):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, ScalarFormatter):
            formatter.set_usetex(False)
        if not axis.axes.axison:  # nothing of it is drawn
            continue
        ticks = [
            *axis.get_major_ticks(_ticks_to_set(axis.get_major_locator())),
            *axis.get_minor_ticks(_ticks_to_set(axis.get_minor_locator())),
        ]
        texts += [label for tick in ticks for label in (tick.label1, tick.label2)]
    for text in texts:
        text.set_parse_math(False)
        text.set_usetex(False)
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(content, format="png", dpi=DPI)
    write_atomically(path, content.getvalue())


def _ticks_to_set(locator: Locator) -> int:
    """Of how many ticks the labels are set; those made later, as they are drawn, are copies of the first.

    A copy does not know whether it may be a formula, which matters to names alone: they stand at fixed places.
    """
    if isinstance(locator, NullLocator):
        return 0
    return len(locator()) if isinstance(locator, FixedLocator) else 1


def drawable(text: str, most: int = NAME) -> str:
    """A name or a title as it is drawn: in one line, its middle left out if need be.

    Args:
        text: of any length, with any characters; those that no font has become boxes.
        most: `NAME`, `LONG_NAME` or `TITLE` characters; wide ones, such as Chinese, count twice.
    """
    line = shorten(text, most)
    if len(line) + sum(east_asian_width(character) in "WF" for character in line) > most:
        line = shorten(line, most // 2)
    known = _characters()
    line = "".join(character if ord(character) in known else BOX for character in line)
    # a legend leaves out an empty name, and one that starts with an underscore
    return f" {line}" if line.startswith("_") or not line else line


@functools.cache
def _characters() -> frozenset[int]:
    """Characters that the fonts of a text have: of the first of its families, and of those it falls back on."""
    settings: Any = mpl.rcParams
    families = [name for family in FontProperties().get_family() for name in settings.get(f"font.{family}", [family])]
    paths = {findfont(FontProperties())}
    for family in families:
        try:
            paths.add(findfont(FontProperties(family), fallback_to_default=False))
        except ValueError:  # it is not installed
            continue
    return frozenset(code for path in paths for code in get_font(path).get_charmap())
