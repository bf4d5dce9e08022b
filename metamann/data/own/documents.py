"""The content of a user's file before words and entities are matched: the common form of all formats."""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """An entity as it is marked in a text.

    Attributes:
        start: its first character; code points, unless the file counts in other units.
        end: one past its last character.
        type: its type.
        text: the text that it covers according to the file; None where the file does not have it.
    """

    start: int
    end: int
    type: str
    text: str | None = None


class Document(NamedTuple):
    """A text with marked entities.

    Attributes:
        place: where it stands in its file, such as `line 3` or `task 7`, for errors and notes.
        text: as it stands in the file.
        marks: in any order, as they stand in the file; None where the file has no labels for this text.
        words: first character of every word and one past its last, where the file has cut the text into words; None
            where it is still to be cut.
    """

    place: str
    text: str
    marks: tuple[Mark, ...] | None
    words: tuple[tuple[int, int], ...] | None = None


class TaggedSentence(NamedTuple):
    """Words with one tag each.

    Attributes:
        words: of one sentence.
        tags: one for each word, None for a word without a tag; None where the file has no tags at all.
        places: of each word in its file, such as `line 12`, for errors and notes.
    """

    words: tuple[str, ...]
    tags: tuple[str | None, ...] | None
    places: tuple[str, ...]
