"""Long sentences in windows, and windows of like length in groups."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

GROUP = 8192  # most word pieces of a group, padding included: more gain no speed on a CPU
SPARE = 32  # padding that costs less than a group of its own
PADDED = 0.1  # share of padding that a group may have beyond that


class Window(NamedTuple):
    """A run of word pieces that a model sees at once.

    Attributes:
        start: first piece.
        end: one past the last piece.
        own_start: first piece whose features are taken from this window.
        own_end: one past the last of them.
    """

    start: int
    end: int
    own_start: int
    own_end: int


def windows(pieces: Sequence[int], size: int, overlap: int, offset: int = 0) -> list[Window]:
    """Windows that cover a sentence: each piece is owned once, by the window that has most context for it.

    Two windows that overlap part in the middle of the overlap, at the word border before it, so that the pieces of a
    word come from one window; a word longer than half the overlap is parted.

    Args:
        pieces: how many each word has.
        size: of a window, pieces.
        overlap: of two windows, pieces, less than `size`; the last two may overlap more.
        offset: number of the sentence's first piece.
    """
    ends = list(accumulate(pieces, initial=0))
    total = ends[-1]
    starts = [*range(0, max(total - size, 0), size - overlap), max(total - size, 0)]
    borders = [0]
    for before, start in pairwise(starts):
        middle = (start + before + size) // 2
        border = ends[bisect_right(ends, middle) - 1]
        borders.append(border if border >= start else middle)
    borders.append(total)
    return [
        Window(offset + start, offset + min(start + size, total), offset + own_start, offset + own_end)
        for start, own_start, own_end in zip(starts, borders[:-1], borders[1:], strict=True)
        if own_start < own_end
    ]


def groups(lengths: Sequence[int], most: int = GROUP) -> list[list[int]]:
    """Numbers of sequences to pad and run together: of like length, so that little is padding, none of them too many.

    Args:
        lengths: of the sequences.
        most: elements of a group, padding included; a longer sequence is a group of its own.
    """
    result: list[list[int]] = []
    real = 0
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        padded = lengths[number] * (len(result[-1]) + 1) if result else 0
        real += lengths[number]
        if not result or padded > most or padded - real > SPARE + PADDED * real:
            result.append([])
            real = lengths[number]
        result[-1].append(number)
    return result
