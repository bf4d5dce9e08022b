"""How every picture is made and written: names are plain text, whatever characters they have."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unicodedata import east_asian_width

# before the first import of matplotlib: a run needs no display
os.environ.setdefault("MPLBACKEND", "agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from metamann.data.cache import write_atomically
from metamann.errors import shorten

NAME, LONG_NAME, TITLE = 40, 60, 75  # characters that there is room for
DPI = 110


@contextmanager
def picture(path: Path, width: float, height: float, title: str = "") -> Iterator[Figure]:
    """A figure to draw on, which is written when the block ends.

    Args:
        path: PNG to write, as a whole or not at all.
        width: of the figure, inches.
        height: of the figure, inches.
        title: over it, of any length, with any characters.
    """
    # no name is a formula, such as $x$; until the figure is written, since labels of ticks are made only then
    plain = plt.rc_context({"text.parse_math": False, "text.usetex": False})
    with plain, warnings.catch_warnings():
        # characters that the font lacks are drawn as boxes
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from|Matplotlib currently does not support")
        figure = plt.figure(figsize=(width, height), layout="constrained")
        try:
            if title:
                figure.suptitle(drawable(title, TITLE), fontsize=9)
            yield figure
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=DPI)
            write_atomically(path, content.getvalue())
        finally:
            plt.close(figure)


def drawable(text: str, most: int = NAME) -> str:
    """A name or a title as it is drawn: in one line, its middle left out if need be.

    Args:
        text: of any length, with any characters.
        most: `NAME`, `LONG_NAME` or `TITLE` characters; wide ones, such as Chinese, count twice.
    """
    line = shorten(text, most)
    if len(line) + sum(east_asian_width(character) in "WF" for character in line) > most:
        line = shorten(line, most // 2)
    # a legend leaves out an empty name, and one that starts with an underscore
    return f"\u200b{line}" if line.startswith("_") or not line else line
