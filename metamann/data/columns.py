r"""Column files: one token a line, its tag in one of the columns, a blank line between sentences.

Blank lines may hold blanks. `-DOCSTART-` lines end a sentence and are left out. A comment starts with `# ` and has
another number of columns than the tokens, so that a token `#` with its tag is a token. Lines end in `\n` or `\r\n`
alone: every other character, Unicode's line separators too, may be part of a token.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from metamann.data.held_out import hold_out_types
from metamann.data.sentences import PARTS, Sentence, SentenceSplits, SentenceStore
from metamann.data.tags import SCHEMES, Scheme, TagError, detect_scheme, read_tags
from metamann.data.text_files import read_text
from metamann.errors import DataError

BLANKS = " \t"


class ColumnFile(NamedTuple):
    """What a file holds.

    Attributes:
        path: of the file.
        sentences: in its order.
        scheme: of its tags.
        broken: line numbers of tags that the scheme would not put there (metamann.data.tags), from 1.
        comments: number of lines that were taken for comments.
    """

    path: Path
    sentences: tuple[Sentence, ...]
    scheme: Scheme
    broken: tuple[int, ...]
    comments: int

    def note(self) -> str:
        """One line that says what was found and decided."""
        tokens = sum(len(sentence.tokens) for sentence in self.sentences)
        spans = sum(len(sentence.spans) for sentence in self.sentences)
        text = f"{self.path.name}: scheme {self.scheme}, {len(self.sentences):,} sentences, {tokens:,} tokens, "
        text += f"{spans:,} entities"
        if self.broken:
            text += f", {len(self.broken)} tags that {self.scheme} would not put there, the first in line "
            text += f"{self.broken[0]}"
        return text + (f", {self.comments} comment lines" if self.comments else "")


class _Rows(NamedTuple):
    """One sentence as it stands in the file."""

    tokens: list[str]
    tags: list[str]
    lines: list[int]


def columns(
    path: str,
    separator: str = "auto",
    scheme: Literal["auto", "IO", "IOB1", "IOB2", "IOBES"] = "auto",
    token_column: int = 0,
    tag_column: int = -1,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> SentenceSplits:
    """Read one file and deal its types to train, val and test (`hold_out_types`).

    Args:
        path: of the file.
        separator: `auto`, `tab`, `space`, or the characters themselves.
        scheme: of the tags.
        token_column: of the tokens, from 0, or from the end if negative.
        tag_column: of the tags, likewise.
        shares: of the types that train, val and test get; `(0, 0, 1)` puts all in test.
        seed: of the split.

    Raises:
        DataError: if the file cannot be read, a line of it is bad, or an option is unknown.
    """
    file = read_columns(Path(path).expanduser(), separator, scheme, token_column, tag_column)
    return hold_out_types(f"columns/{file.path.name}", file.sentences, shares, seed, (file.note(),))


def column_splits(name: str, train: Path, val: Path, test: Path, separator: str, scheme: Scheme) -> SentenceSplits:
    """One file a split, of supervised data: the splits share their types.

    Raises:
        DataError: if a file cannot be read or a line of it is bad.
    """
    files = [read_columns(path, separator, scheme) for path in (train, val, test)]
    stores = [SentenceStore(f"{name}/{part}", file.sentences) for part, file in zip(PARTS, files, strict=True)]
    notes = tuple(file.note() for file in files)
    return SentenceSplits(name, stores[0], stores[1], stores[2], disjoint_types=False, notes=notes)


def read_columns(
    path: Path,
    separator: str = "auto",
    scheme: Literal["auto", "IO", "IOB1", "IOB2", "IOBES"] = "auto",
    token_column: int = 0,
    tag_column: int = -1,
) -> ColumnFile:
    """Read one file.

    Args:
        path: of the file, UTF-8 with or without a byte order mark.
        separator: `tab`; `space`, any run of blanks; other characters; or `auto`, tab if the first line has one.
        scheme: of the tags, or `auto` (`detect_scheme`).
        token_column: of the tokens, from 0, or from the end if negative.
        tag_column: of the tags, likewise.

    Raises:
        DataError: with the file, and the line where a line is bad: another number of columns, an empty token or tag,
            a tag that is not of the scheme.
    """
    if scheme not in ("auto", *SCHEMES):
        raise DataError(f"data.scheme={scheme} is unknown; choose auto, {', '.join(SCHEMES)}.")
    lines = read_text(path).split("\n")
    rows, comments = _sentences(path, lines, separator, token_column, tag_column)
    if not rows:
        raise DataError(f"{path} holds no sentences; give a file with a token and its tag in every line.")
    found = detect_scheme(row.tags for row in rows) if scheme == "auto" else scheme
    sentences, broken = [], []
    for row in rows:
        try:
            spans, misplaced = read_tags(row.tags, found)
        except TagError as error:
            raise DataError(
                f"{path}, line {row.lines[error.position]}: {error}. Repair the line, or set data.scheme or "
                "data.tag_column."
            ) from error
        sentences.append(Sentence(tuple(row.tokens), spans))
        broken += [row.lines[position] for position in misplaced]
    return ColumnFile(path, tuple(sentences), found, tuple(broken), comments)


def _sentences(
    path: Path, lines: list[str], separator: str, token_column: int, tag_column: int
) -> tuple[list[_Rows], int]:
    """Sentences and the number of comment lines."""
    first = _first_token(lines)
    split = _splitter(first, separator)
    width = len(split(first))
    token_at, tag_at = (column + width if column < 0 else column for column in (token_column, tag_column))
    if first and (not 0 <= token_at < width or not 0 <= tag_at < width or token_at == tag_at):
        raise DataError(
            f"{path} has {width} columns in '{first[:60]}', but the token should be in column {token_column} and the "
            f"tag in column {tag_column}; set data.separator, data.token_column or data.tag_column."
        )
    rows: list[_Rows] = []
    comments = 0
    current = _Rows([], [], [])
    for number, line in enumerate(lines, 1):
        if _ends_sentence(line):
            if current.tokens:
                rows.append(current)
                current = _Rows([], [], [])
            continue
        cells = split(line.removesuffix("\r"))
        if len(cells) != width:
            if line.startswith("# "):
                comments += 1
                continue
            raise DataError(
                f"{path}, line {number} has {len(cells)} columns, but the first token of the file has {width}: "
                f"'{line[:60]}'. Repair the line; comments start with '# ', sentences are set apart by a blank line."
            )
        token, tag = cells[token_at].strip(BLANKS), cells[tag_at].strip(BLANKS)
        if not token or not tag:
            raise DataError(f"{path}, line {number} has an empty {'tag' if token else 'token'}; repair the line.")
        current.tokens.append(sys.intern(token))
        current.tags.append(sys.intern(tag))
        current.lines.append(number)
    if current.tokens:
        rows.append(current)
    return rows, comments


def _ends_sentence(line: str) -> bool:
    return line.startswith("-DOCSTART-") or not line.strip(BLANKS + "\r")


def _first_token(lines: list[str]) -> str:
    """The first line that can be no comment, else the first of all; empty if there is no token."""
    candidates = [line.removesuffix("\r") for line in lines if not _ends_sentence(line)]
    return next((line for line in candidates if not line.startswith("#")), candidates[0] if candidates else "")


def _splitter(first: str, separator: str) -> Callable[[str], list[str]]:
    """How a line is cut into cells."""
    if separator == "auto":
        separator = "tab" if "\t" in first.strip(BLANKS) else "space"
    if separator == "space":
        runs = re.compile(f"[{BLANKS}]+")
        return lambda line: runs.split(line.rstrip(BLANKS))
    if not separator:
        raise DataError("data.separator is empty; choose auto, tab, space, or the characters between columns.")
    characters = "\t" if separator == "tab" else separator
    return lambda line: line.split(characters)
