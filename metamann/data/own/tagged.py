"""Words with tags become words with spans: one spelling and one scheme for the whole file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from metamann.data.own.documents import TaggedSentence
from metamann.data.own.tag_spelling import SchemeOption, Spelling, detect_spelling
from metamann.data.sentences.store import Sentence
from metamann.data.sentences.tags import OUTSIDE, TagError
from metamann.errors import DataError, excerpt

Untagged = Literal["error", "outside"]


class TaggedFile(NamedTuple):
    """The sentences of a file with tags.

    Attributes:
        sentences: in the order of the file.
        spelling: of its tags; None if it has none.
        broken: places of tags that the scheme would not put there (metamann.data.sentences.tags).
        untagged: places of words without a tag that are read as outside every span.
    """

    sentences: tuple[Sentence, ...]
    spelling: Spelling | None
    broken: tuple[str, ...]
    untagged: tuple[str, ...]

    @property
    def scheme(self) -> str:
        """The name of the spelling after a comma; empty if no word is marked."""
        marked = any(sentence.spans for sentence in self.sentences)
        return f", {self.spelling.describe()}" if self.spelling is not None and marked else ""

    def notes(self) -> tuple[str, ...]:
        """Decisions of the reader, one line for each."""
        words = sum(len(sentence.tokens) for sentence in self.sentences)
        lines = []
        if self.broken and self.spelling is not None:
            where = f"where {self.spelling.name} would not put them, the first in {self.broken[0]}"
            lines.append(f"{len(self.broken):,} of {words:,} tags stand {where}")
        if self.untagged:
            lines.append(
                f"{len(self.untagged):,} of {words:,} words have no tag and read as O, the first in {self.untagged[0]}"
            )
        return tuple(lines)


def read_tagged(
    path: Path, rows: Sequence[TaggedSentence], scheme: SchemeOption = "auto", untagged: Untagged = "error"
) -> TaggedFile:
    """The spans of a file's sentences.

    Args:
        path: of the file, for errors.
        rows: its sentences.
        scheme: of the tags, or `auto`.
        untagged: whether a word without a tag among tagged ones is an error, or outside every span.

    Raises:
        DataError: with the file and the place: a tag that is missing, spelled unlike most, or not of the scheme.
    """
    if all(row.tags is None or not any(row.tags) for row in rows):
        return TaggedFile(tuple(Sentence(row.words, ()) for row in rows), None, (), ())
    tags = [row.tags or (None,) * len(row.words) for row in rows]
    try:
        spelling = detect_spelling(tags, scheme)
    except TagError as error:
        places = [
            place
            for row, of_row in zip(rows, tags, strict=True)
            for place, tag in zip(row.places, of_row, strict=True)
            if tag
        ]
        raise DataError(f"{path}, {places[error.position]}: {error}.") from error
    sentences, broken, missing = [], [], []
    for row, of_row in zip(rows, tags, strict=True):
        without = [position for position, tag in enumerate(of_row) if tag is None or tag in spelling.missing]
        if without and untagged == "error":
            raise DataError(
                f"{path}, {row.places[without[0]]}: '{excerpt(row.words[without[0]])}' has no tag, others have one. "
                "Give it one, or set untagged=outside to read such words as O."
            )
        missing += [row.places[position] for position in without]
        try:
            spans, misplaced = spelling.read(
                [tag if tag and tag not in spelling.missing else OUTSIDE for tag in of_row]
            )
        except TagError as error:
            raise DataError(
                f"{path}, {row.places[error.position]}: {error}. Repair it, or set scheme or tag_column."
            ) from error
        sentences.append(Sentence(row.words, spans))
        broken += [row.places[position] for position in misplaced]
    return TaggedFile(tuple(sentences), spelling, tuple(broken), tuple(missing))
