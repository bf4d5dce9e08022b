"""Creating and writing figures. Names are drawn as plain text, whatever characters they contain.

Figures are created without `pyplot`, and no state that other threads share is changed: neither the settings of
matplotlib nor the filters of warnings.
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

NAME, LONG_NAME, TITLE = 40, 60, 100  # characters that fit
WIDTH = 7.2  # inches, 792 pixels: the width of a page that shows a README
SMALL = 8  # points, the smallest legible size at this width
DPI = 110
BOX = "\u25af"  # for a character that no font has


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """An empty figure.

    Args:
        width: inches.
        height: inches.
        title: above it, of any length, with any characters.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(drawable(title, TITLE), fontsize=9)
    return figure


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as a PNG file, atomically. No text in it is parsed as a formula.

    Args:
        path: of the file.
        figure: to write.
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
    """A name or a title as it is drawn: in one line, its middle omitted if it is too long.

    Args:
        text: of any length, with any characters; those that no font has are replaced by boxes.
        most: number of characters, `NAME`, `LONG_NAME` or `TITLE`; wide ones, such as Chinese, count twice.
    """
    line = shorten(text, most)
    if len(line) + sum(east_asian_width(character) in "WF" for character in line) > most:
        line = shorten(line, most // 2)
    known = _characters()
    line = "".join(character if ord(character) in known else BOX for character in line)
    # a legend omits an empty name, and one that starts with an underscore
    return f" {line}" if line.startswith("_") or not line else line


@functools.cache
def _characters() -> frozenset[int]:
    """The characters in the default fonts of a text: in its first family, and in those it falls back on."""
    settings: Any = mpl.rcParams
    families = [name for family in FontProperties().get_family() for name in settings.get(f"font.{family}", [family])]
    paths = {findfont(FontProperties())}
    for family in families:
        try:
            paths.add(findfont(FontProperties(family), fallback_to_default=False))
        except ValueError:  # it is not installed
            continue
    return frozenset(code for path in paths for code in get_font(path).get_charmap())
