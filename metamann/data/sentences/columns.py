"""Published data sets in column files: their separator, columns and scheme are known."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from metamann.data.own.formats.column_text import read_column_text
from metamann.data.own.tag_spelling import SchemeOption
from metamann.data.own.tagged import read_tagged
from metamann.data.sentences.store import PARTS, Sentence, SentenceSplits, SentenceStore
from metamann.data.sentences.tags import Scheme
from metamann.data.text_files import read_text
from metamann.errors import DataError


class ColumnFile(NamedTuple):
    """The content of a file.

    Attributes:
        sentences: in its order.
        notes: observations and decisions, one line for each.
    """

    sentences: tuple[Sentence, ...]
    notes: tuple[str, ...]


def column_splits(name: str, train: Path, val: Path, test: Path, separator: str, scheme: Scheme) -> SentenceSplits:
    """Read supervised data with one file for each split; the splits share their types.

    Raises:
        DataError: if a file cannot be read or a line of it is bad.
    """
    files = [read_columns(path, separator, scheme) for path in (train, val, test)]
    stores = [SentenceStore(f"{name}/{part}", file.sentences) for part, file in zip(PARTS, files, strict=True)]
    notes = tuple(note for file in files for note in file.notes)
    return SentenceSplits(name, stores[0], stores[1], stores[2], disjoint_types=False, notes=notes)


def read_columns(path: Path, separator: str = "auto", scheme: SchemeOption = "auto") -> ColumnFile:
    """Read one file with the word in its first and the tag in its last column.

    Args:
        path: of the file, UTF-8.
        separator: `tab`; `space`, any run of blanks; other characters; or `auto`, tab if the first line has one.
        scheme: of the tags, or `auto`.

    Raises:
        DataError: with the file, and the line where a line is bad.
    """
    columns = read_column_text(path, read_text(path), separator, word=0, tag=-1)
    if columns.layout.tag is None:
        raise DataError(f"{path} has no column of tags beside the words; replace the file.")
    tagged = read_tagged(path, columns.sentences, scheme)
    entities = sum(len(sentence.spans) for sentence in tagged.sentences)
    summary = f"{columns.describe()}{tagged.scheme}, {len(tagged.sentences):,} sentences, {entities:,} entities"
    notes = (*columns.notes(), *tagged.notes())
    return ColumnFile(tagged.sentences, (f"{path.name}: {summary}", *(f"{path.name}: {note}" for note in notes)))
