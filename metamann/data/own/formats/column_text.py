r"""Column files: one word a line, its tag in one of the columns, a blank line between sentences.

Blank lines may hold blanks. Lines that start with `-DOCSTART-` end a sentence and are left out. Header and comment
lines start with `#`: with `# ` where the number of columns is another one, and in any number of columns where a
sentence begins and what stands in the column of the tags is no tag of the file. So a word `#` with its tag is a word.
Lines end in `\n` or `\r\n`: every other character, Unicode's line separators too, may be part of a word.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metamann.data.own.documents import TaggedSentence
from metamann.data.own.formats.layout import BLANKS, Column, Layout, detect_layout, is_even
from metamann.data.own.tag_spelling import is_tag
from metamann.data.own.tokens import tokenise
from metamann.errors import DataError, excerpt

SENTENCE = re.compile(r"\w[.!?]\s*$")  # its last word has the full stop on it
COMMENT = re.compile(
    r"#(#|[ \t]|(begin|end|id|sent\w*|doc\w*|newdoc|newpar|text|source|url|https?)\b|[\w.-]+\s*[=:])", re.IGNORECASE
)
DOCUMENT = re.compile(r"#(begin|end)\s+document\b", re.IGNORECASE)
SUFFIXES = {".conll", ".conll03", ".conll2003", ".conllu", ".bio", ".iob", ".iob2", ".bioes", ".bilou", ".tsv", ".ner"}
HEADER = (
    {"word", "words", "token", "tokens", "form", "text"},
    {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "entity", "entities", "type", "iob", "bio"},
)


class Columns(NamedTuple):
    """The content of a column file.

    Attributes:
        layout: of its lines.
        sentences: in its order.
        comments: line numbers that were taken for comments and headers, from 1.
    """

    layout: Layout
    sentences: tuple[TaggedSentence, ...]
    comments: tuple[int, ...]

    def describe(self) -> str:
        """The layout in words."""
        width, word, tag = self.layout.width, self.layout.word, self.layout.tag
        if width == 1:
            return "one word a line, no tags"
        return f"CoNLL, {width} columns, word {_place(word, width)}, " + (
            "no tags" if tag is None else f"tag {_place(tag, width)}"
        )

    def notes(self) -> tuple[str, ...]:
        """Omissions, one line for each kind."""
        if not self.comments:
            return ()
        return (f"comment and header lines skipped: {len(self.comments):,}, the first is line {self.comments[0]}",)


def word_lines(text: str) -> list[str]:
    """The lines that can only be words: not blank, no comment, no header."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    lines = [line for line in lines if not _ends_sentence(line)]
    uncommented = [line for line in lines if not line.startswith("#")]
    return uncommented or [line for line in lines if not COMMENT.match(line) or any(map(is_tag, line.split()[1:]))]


def read_column_text(
    path: Path, text: str, separator: str = "auto", word: Column = "auto", tag: Column = "auto"
) -> Columns:
    """The words and tags of a text.

    Args:
        path: of the file, for errors.
        text: of the file.
        separator: of columns, see `detect_layout`.
        word: column of the words.
        tag: column of the tags.

    Raises:
        DataError: with the file, and the line where a line is bad: another number of columns, no word.
    """
    lines = word_lines(text)
    if not lines:
        raise DataError(f"{path} holds no sentences; give a file with a word and its tag in every line.")
    try:
        layout = detect_layout(lines, separator, word, tag)
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    if layout.tag is None and word == "auto":
        cells = [row[layout.word] for line in lines if len(row := layout.split(line)) == layout.width]
        if sum(" " in cell.strip(BLANKS) for cell in cells) > len(cells) / 2:
            raise DataError(
                f"{path} has sentences in its columns, not words, and no tags; save them one a line as plain text, or "
                "as CSV with a header such as id,text."
            )
    return _Reader(path, layout, lines).read(text.split("\n"))


def is_column_text(path: Path, text: str, separator: str = "auto", word: Column = "auto", tag: Column = "auto") -> bool:
    """Whether a text has a word in every line, with or without tags, and is no plain text with a sentence in a line.

    Nearly all lines of a column file have the same number of columns, and one of these holds tags. Without tags, the
    name of the file decides; lines of one word each are words too if one is punctuation alone, or if blank lines set
    groups of them apart.
    """
    lines = word_lines(text)
    named = path.suffix.lower() in SUFFIXES
    if len(lines) < 2 and not named:
        return False
    if not lines:
        return True
    try:
        layout = detect_layout(lines, separator, word, tag)
    except DataError:
        return True  # with tags in several columns, or without the columns that are asked for
    if layout.tag is not None:
        return named or is_even(lines, layout)
    if layout.width > 1 and not any("\t" in line for line in lines):
        # blanks are those of a text, unless the name says that they are between columns
        named = named and path.suffix.lower() != ".tsv" and not any(SENTENCE.search(line) for line in lines)
    return is_even(lines, layout) and (named or (layout.width == 1 and _are_words(text, lines)))


def _are_words(text: str, lines: Sequence[str]) -> bool:
    """Whether lines without blanks are words, not sentences of one word or of a script without blanks."""
    if any(not any(map(str.isalnum, line)) for line in lines):
        return True
    blank = any(not line.strip() for line in text.strip().split("\n"))
    return blank and all(len(tokenise(line)) == 1 for line in lines)


class _Reader:
    """Reads the lines of one file."""

    def __init__(self, path: Path, layout: Layout, lines: Sequence[str]) -> None:
        self._path = path
        self._layout = layout
        tag = layout.tag
        rows = map(layout.split, lines)
        self._tags = set() if tag is None else {row[tag].strip(BLANKS) for row in rows if len(row) == layout.width}

    def read(self, lines: Sequence[str]) -> Columns:
        sentences: list[TaggedSentence] = []
        comments: list[int] = []
        words: list[str] = []
        tags: list[str | None] = []
        places: list[str] = []

        def end() -> None:
            if words:
                known = None if self._layout.tag is None else tuple(tags)
                sentences.append(TaggedSentence(tuple(words), known, tuple(places)))
            for part in (words, tags, places):
                part.clear()

        first = True
        for number, line in enumerate(lines, 1):
            line = line.removesuffix("\r")
            if _ends_sentence(line):
                end()
                continue
            cells = self._layout.split(line)
            if self._is_comment(line, cells, begins=not words) or (first and self._is_header(cells)):
                comments.append(number)
                continue
            first = False
            word, tag = self._cells(number, line, cells)
            words.append(sys.intern(word))
            tags.append(tag and sys.intern(tag))
            places.append(f"line {number}")
        end()
        if not sentences:
            raise DataError(f"{self._path} holds no sentences; give a file with a word and its tag in every line.")
        return Columns(self._layout, tuple(sentences), tuple(comments))

    def _cells(self, number: int, line: str, cells: list[str]) -> tuple[str, str | None]:
        """Word and tag of a line; None for a tag that is not there."""
        layout = self._layout
        if len(cells) == layout.width + 1 and not cells[-1].strip(BLANKS):
            cells = cells[:-1]
        if len(cells) == 1 and layout.tag is not None and cells[0] not in self._tags:
            cells = [cells[0] if column == layout.word else "" for column in range(layout.width)]
        if len(cells) != layout.width:
            raise DataError(
                f"{self._path}, line {number} has {len(cells)} columns, but most lines have {layout.width}: "
                f"'{excerpt(line)}'. Repair it; comments start with '# ', blank lines set sentences apart."
            )
        word = cells[layout.word].strip(BLANKS)
        if not word:
            raise DataError(f"{self._path}, line {number} has no word; repair the line.")
        return word, None if layout.tag is None else cells[layout.tag].strip(BLANKS) or None

    def _is_comment(self, line: str, cells: list[str], begins: bool) -> bool:
        if not line.startswith("#") or line.strip(BLANKS) == "#":
            return False
        if DOCUMENT.match(line):
            return True
        if len(cells) != self._layout.width:
            return line.startswith(("# ", "#\t")) or (begins and COMMENT.match(line) is not None)
        tag = self._layout.tag
        if tag is None or not begins:
            return False
        return COMMENT.match(line) is not None and cells[tag] not in self._tags and not is_tag(cells[tag])

    def _is_header(self, cells: list[str]) -> bool:
        """Whether the first line names the columns."""
        layout = self._layout
        if len(cells) != layout.width or layout.tag is None:
            return False
        return cells[layout.word].lower() in HEADER[0] and cells[layout.tag].lower() in HEADER[1]


def _ends_sentence(line: str) -> bool:
    return line.startswith("-DOCSTART-") or not line.strip(BLANKS + "\r")


def _place(column: int, width: int) -> str:
    return {0: "first", width - 1: "last"}.get(column, f"in column {column}")
