"""Detects the separator, the column of words and the column of tags of a column file from all of its lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from metamann.data.own.tag_spelling import OUTSIDE_WORDS, PLACEHOLDERS, is_tag
from metamann.data.sentences.tags import OUTSIDE
from metamann.errors import DataError

BLANKS = " \t"
SEPARATORS = ("tab", "space", ",", ";", "|")  # in the order in which they are tried
CHUNKS = {"NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NC", "VC", "PC"}
INDEX = re.compile(r"\d+([-.]\d+)?")
LEAST_TAGS = 0.5  # of the cells of a column that holds tags
LEAST_OUTSIDE = 0.2  # of the cells of a column that holds types alone
LEAST_EVEN = 0.8  # of the lines of a column file that have as many columns as most

LEAST_REPEATED = 0.3  # of the cells of a column that names sentences or files; words are seldom doubled

Column = int | Literal["auto"]


class Layout(NamedTuple):
    """How the lines of a column file are cut.

    Attributes:
        split: a line into its cells.
        width: number of columns.
        word: column of the words, from 0.
        tag: column of the tags; None if the file has none.
    """

    split: Callable[[str], list[str]]
    width: int
    word: int
    tag: int | None


def detect_layout(lines: Sequence[str], separator: str, word: Column, tag: Column) -> Layout:
    """The layout of a file by what its columns hold; its `tag` is None if no column holds tags.

    Args:
        lines: those of words, at least one.
        separator: `tab`; `space`, any run of blanks; other characters; or `auto`, the first of these that shows tags.
        word: column of the words, or `auto`: the first that is no tag and no number.
        tag: column of the tags, or `auto`: the only one whose cells look like tags, chunks of a parser apart.

    Raises:
        DataError: if two columns could be meant.
    """
    separators = SEPARATORS if separator == "auto" else (separator,)
    layouts = []
    for name in separators:
        split = _splitter(name)
        # a line of one cell may be a word whose tag is missing
        rows = [row for line in lines if len(row := split(line)) > 1]
        if not rows:
            continue
        width = _width(rows)
        even = _is_even(lines, split, {width, 1})
        cells = [[row[at].strip(BLANKS) for row in rows if len(row) == width] for at in range(width)]
        if separator == "auto" and name != "tab" and any(" " in cell for column in cells for cell in column):
            continue  # signs of a text, not between columns
        try:
            tag_at = _tag_column(cells, word, tag)
            layout = Layout(split, width, _word_column(cells, word, tag_at), tag_at)
            _check_not_swapped(cells, layout)
        except DataError:
            if even:
                raise
            continue
        if even and tag_at is not None:
            return layout
        layouts.append(layout)
    with_tags = [layout for layout in layouts if layout.tag is not None]
    others = [layout for layout in layouts if is_even(lines, layout)]
    return next(iter(with_tags + others), Layout(_splitter("space"), 1, 0, None))


def is_even(lines: Sequence[str], layout: Layout) -> bool:
    """Whether nearly all lines have as many columns as most, or a word alone where others have a tag too."""
    return _is_even(lines, layout.split, {layout.width} if layout.tag is None else {layout.width, 1})


def _is_even(lines: Sequence[str], split: Callable[[str], list[str]], widths: set[int]) -> bool:
    even = 0
    for line in lines:
        width = len(split(line))
        # cells may hold blanks, a word alone does not
        even += width in widths and (width > 1 or not any(blank in line.strip(BLANKS) for blank in BLANKS))
    return even >= LEAST_EVEN * len(lines)


def _tag_column(cells: Sequence[Sequence[str]], word: Column, tag: Column) -> int | None:
    width = len(cells)
    if tag != "auto":
        at = tag + width if tag < 0 else tag
        if not 0 <= at < width:
            raise DataError(f"has {width} columns, but tag_column={tag}; the first is 0, the last -1.")
        return at
    known = None if word == "auto" else word % width
    shares = {at: _share_of_tags(column) for at, column in enumerate(cells) if at != known and len(cells) > 1}
    likely = [at for at, share in shares.items() if share]
    if len(likely) > 1:
        likely = [at for at in likely if shares[at] == 1] or likely
        likely = [at for at in likely if not _holds_chunks(cells[at])] or likely[-1:]
    if len(likely) > 1:
        raise DataError(f"has tags in the columns {', '.join(map(str, likely))} (the first is 0); set tag_column.")
    return likely[0] if likely else None


def _word_column(cells: Sequence[Sequence[str]], word: Column, tag: int | None) -> int:
    width = len(cells)
    if word != "auto":
        at = word + width if word < 0 else word
        if not 0 <= at < width or at == tag:
            raise DataError(f"has {width} columns, but token_column={word}; the first is 0, the last -1.")
        return at
    others = [at for at in range(width) if at != tag] or [0]
    words = [at for at in others if not (_holds_numbers(cells[at]) or _holds_names_of_lines(cells[at]))] or others
    if tag == 0 and len(words) > 1:
        raise DataError(
            f"has its tags in the first of {width} columns; say where the words are: set token_column (the first is 0)."
        )
    return words[0]


def _check_not_swapped(cells: Sequence[Sequence[str]], layout: Layout) -> None:
    """Check that the column of tags does not hold words."""
    if layout.tag is None or _share_of_tags(cells[layout.tag]) > 0 or _share_of_tags(cells[layout.word]) < 1:
        return
    raise DataError(
        f"has tags in column {layout.word} (the first is 0), where words should be; set token_column and tag_column."
    )


def _share_of_tags(cells: Sequence[str]) -> float:
    """The share of the cells of a column that are tags; 0 if it does not hold tags.

    A column holds tags if most cells have the letter of a scheme, or are outside, or if it has the usual share of O
    beside types alone.
    """
    counts = Counter(cells)
    lettered = sum(count for cell, count in counts.items() if cell[1:] and is_tag(cell))
    bare = sum(count for cell, count in counts.items() if not cell[1:] and is_tag(cell))
    if counts[OUTSIDE] and not lettered and bare == len(cells):
        return 1.0  # B, I and O without types
    if lettered:
        outside = sum(count for cell, count in counts.items() if cell.upper() in OUTSIDE_WORDS or cell in PLACEHOLDERS)
        share = (lettered + outside) / len(cells)
        return share if share >= LEAST_TAGS else 0.0
    share = sum(count for cell, count in counts.items() if cell.upper() in ("O", "OUT", "OUTSIDE")) / len(cells)
    return share if share >= LEAST_OUTSIDE else 0.0


def _holds_chunks(cells: Sequence[str]) -> bool:
    return {cell[2:] for cell in cells if cell != OUTSIDE} <= CHUNKS


def _holds_numbers(cells: Sequence[str]) -> bool:
    return all(INDEX.fullmatch(cell) for cell in cells)


def _holds_names_of_lines(cells: Sequence[str]) -> bool:
    """Whether a column names lines, as identifiers and files do: all of one pattern of digits, or in runs of equals."""
    if len(cells) < 2:
        return False
    patterns = {re.sub(r"\d+", "0", cell) for cell in cells}
    repeated = sum(one == other for one, other in pairwise(cells))
    return len(patterns) == 1 or repeated >= LEAST_REPEATED * (len(cells) - 1)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Columns of most lines, of the first of them if two numbers are as frequent."""
    return Counter(map(len, rows)).most_common(1)[0][0]


def _splitter(separator: str) -> Callable[[str], list[str]]:
    """The function that splits a line into cells."""
    if separator == "space":
        runs = re.compile(f"[{BLANKS}]+")
        return lambda line: runs.split(line.strip(BLANKS))
    if not separator:
        raise DataError("cannot be cut at an empty separator; choose auto, tab, space, or the characters themselves.")
    characters = "\t" if separator == "tab" else separator
    return lambda line: line.split(characters)
