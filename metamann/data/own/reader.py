"""A user's own sentences: one reader, which detects the format of a file and reports it.

    file = read_sentences(Path("labelled.txt"))
    file.notes   # ("labelled.txt read as: CoNLL, 2 columns, word first, tag last, IOB2, 12 sentences, 30 entities",)

It reads what `metamann.data.own.formats` lists, column files, words one a line, and plain text, a sentence a line.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from metamann.data.own.alignment import Overlaps, Spans, read_documents
from metamann.data.own.formats import Content, Source, known_format
from metamann.data.own.formats.column_text import is_column_text, read_column_text
from metamann.data.own.formats.layout import Column
from metamann.data.own.formats.unread import unread_form
from metamann.data.own.tag_spelling import SchemeOption
from metamann.data.own.tagged import Untagged, read_tagged
from metamann.data.own.tokens import tokenise
from metamann.data.sentences.held_out import hold_out_types
from metamann.data.sentences.store import Sentence, SentenceSplits
from metamann.errors import ConfigError, DataError, excerpt


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """Options for files that can be read in several ways.

    Attributes:
        spans: that fit no words are left out and reported (`report`), or an `error`.
        overlaps: of overlapping spans the `outermost` is taken, or they are an `error`.
        untagged: words or texts without labels among labelled ones are an `error`, or stand `outside` every span.
        scheme: of the tags of words, or `auto`.
        separator: of columns: `auto`, `tab`, `space`, or the characters themselves.
        token_column: column of the words, from 0, or from the end if negative; or `auto`.
        tag_column: column of the tags, likewise.

    Raises:
        ConfigError: if an option is unknown.

    Examples:
        >>> ReadingOptions(separator="tab", tag_column=-1).columns
        ('tab', 'auto', -1)
    """

    spans: Spans = "report"
    overlaps: Overlaps = "outermost"
    untagged: Untagged = "error"
    scheme: SchemeOption = "auto"
    separator: str = "auto"
    token_column: Column = "auto"
    tag_column: Column = "auto"

    def __post_init__(self) -> None:
        """Check the options before a file is opened."""
        choices = {"spans": Spans, "overlaps": Overlaps, "untagged": Untagged, "scheme": SchemeOption}
        for name, known in choices.items():
            if getattr(self, name) not in get_args(known):
                raise ConfigError(
                    f"{name}={excerpt(getattr(self, name))} is unknown; choose {', '.join(get_args(known))}."
                )
        for name in ("token_column", "tag_column"):
            column = getattr(self, name)
            if column != "auto" and (isinstance(column, bool) or not isinstance(column, int)):
                raise ConfigError(f"{name}={excerpt(column)} must be auto, or a number from 0; -1 is the last column.")
        if not isinstance(self.separator, str) or not self.separator:
            raise ConfigError("separator= must be auto, tab, space, or the characters between columns.")

    @property
    def columns(self) -> tuple[str, Column, Column]:
        """Separator and columns."""
        return self.separator, self.token_column, self.tag_column


OPTION = re.compile(
    rf"(^|\bset |\bor |, )(?=({'|'.join(field.name for field in dataclasses.fields(ReadingOptions))})\b)"
)


class SentenceFile(NamedTuple):
    """The content of a file.

    Attributes:
        read_as: the format of the file.
        sentences: in the order of the file.
        notes: observations and decisions of the reader, one line for each.
        labelled: whether it has an entity.
    """

    read_as: str
    sentences: tuple[Sentence, ...]
    notes: tuple[str, ...]
    labelled: bool


def own_sentences(
    path: str,
    spans: Spans = "report",
    overlaps: Overlaps = "outermost",
    untagged: Untagged = "error",
    scheme: SchemeOption = "auto",
    separator: str = "auto",
    token_column: Column = "auto",
    tag_column: Column = "auto",
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> SentenceSplits:
    """Read one file and deal its types to train, val and test (`hold_out_types`).

    Args:
        path: of the file.
        spans: see `ReadingOptions`, also for the options below.
        overlaps: of spans.
        untagged: words or texts.
        scheme: of the tags.
        separator: of columns.
        token_column: column of the words.
        tag_column: column of the tags.
        shares: of the types that train, val and test get; `(0, 0, 1)` puts all in test.
        seed: of the split.

    Raises:
        DataError: if the file cannot be read, a line of it is bad, or it has no entity.
        ConfigError: if an option is unknown.
    """
    try:
        options = ReadingOptions(spans, overlaps, untagged, scheme, separator, token_column, tag_column)
        file = read_sentences(Path(path).expanduser(), options)
    except (ConfigError, DataError) as error:
        raise type(error)(OPTION.sub(r"\1data.", str(error))) from error
    if not file.labelled:
        raise DataError(f"data.path={path} has no entity to learn from ({file.read_as}); label some.")
    return hold_out_types(f"own/{Path(path).name}", file.sentences, shares, seed, file.notes)


def read_sentences(path: Path, options: ReadingOptions | None = None) -> SentenceFile:
    """Read one file.

    Args:
        path: of the file.
        options: where it leaves a choice.

    Raises:
        DataError: with the file and the place, if it cannot be read or is not right.
    """
    options = options or ReadingOptions()
    source = Source(path)
    known = known_format(source)
    if known is not None:
        read_as, sentences, notes = _content(path, known.read(source), options)
    elif is_column_text(path, source.text, *options.columns):
        read_as, sentences, notes = _columns(path, source.text, options)
    else:
        read_as, sentences, notes = _lines(source.text)
    if not sentences:
        raise DataError(f"{path} holds no sentences (read as: {read_as}); give a file with some.")
    entities = sum(len(sentence.spans) for sentence in sentences)
    form = unread_form(source.text) if known is None and not entities else None
    if form is not None:
        raise DataError(f"{path} looks like {form}, which is not read; export it as CoNLL columns, JSON lines or brat.")
    counts = f"{len(sentences):,} {'sentence' if len(sentences) == 1 else 'sentences'}, " + (
        f"{entities:,} {'entity' if entities == 1 else 'entities'}" if entities else "no entity"
    )
    first = f"{path.name} read as: {read_as}, {counts}"
    return SentenceFile(read_as, sentences, (first, *(f"{path.name}: {note}" for note in notes)), entities > 0)


Read = tuple[str, tuple[Sentence, ...], tuple[str, ...]]  # what it was read as, sentences, notes


def _content(path: Path, content: Content, options: ReadingOptions) -> Read:
    """The content of a file of a known format."""
    if content.sentences:
        tagged = read_tagged(path, content.sentences, options.scheme, options.untagged)
        return f"{content.format}{tagged.scheme}", tagged.sentences, (*content.notes, *tagged.notes())
    marked = read_documents(path, content.documents, options.spans, options.overlaps, options.untagged)
    return content.format, marked.sentences, (*content.notes, *marked.notes)


def _columns(path: Path, text: str, options: ReadingOptions) -> Read:
    """The content of a column file, or of a file with one word in each line."""
    columns = read_column_text(path, text, *options.columns)
    tagged = read_tagged(path, columns.sentences, options.scheme, options.untagged)
    return f"{columns.describe()}{tagged.scheme}", tagged.sentences, (*columns.notes(), *tagged.notes())


def _lines(text: str) -> Read:
    """The content of a plain text, one sentence in each line."""
    words = [(line, tokenise(line)) for line in text.split("\n")]
    sentences = (Sentence(tuple(line[start:end] for start, end in tokens), ()) for line, tokens in words if tokens)
    return "plain text, a sentence a line", tuple(sentences), ()
