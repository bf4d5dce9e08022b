"""CSV with a header: one word per line, with sentences separated by a number or a blank line; or one sentence per line.

Columns are known by their names in any case. A sentence's line has a text and, in cells of JSON or of Python lists, its
spans or tags, or words and tags set apart by blanks; it is read as an object of JSON with the same keys. Cells are
separated by comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from metamann.data.own.documents import TaggedSentence
from metamann.data.own.formats.json_formats import read_items
from metamann.data.own.formats.json_items import Items
from metamann.data.own.formats.source import Content, Format, Source
from metamann.data.own.formats.values import read_value
from metamann.data.own.tag_spelling import is_tag
from metamann.errors import DataError, excerpt

DELIMITERS = ",;\t"
NUMBER_COLUMNS = (
    *("sentence #", "sentence#", "sentence_id", "sentence id", "sentence_number", "sentence_idx", "sentenceid"),
    *("sent_id", "sent_idx", "sent #", "sent#", "sentence", "sent"),
)
WORD_COLUMNS = ("word", "words", "token", "tokens")
TEXT_COLUMNS = (
    *("text", "sentence", "sentences", "content", "comment", "comments", "body", "message", "review", "tweet", "data"),
)
TAG_COLUMNS = ("ner_tags", "ner_tag", "ner", "tag", "tags", "labels", "label", "word_labels", "entity", "iob", "bio")
SPAN_COLUMNS = ("spans", "entities", "ents", "annotations")
SUFFIXES = (".csv", ".tsv")
LISTED = re.compile(r"""\s*\[\s*['"].*['"]\s*\]\s*""", re.DOTALL)  # a list of strings, in JSON or Python


class Table(NamedTuple):
    """The rows of a file.

    Attributes:
        header: names of the columns in small letters.
        rows: line number and cells; a blank line has no cells.
    """

    header: tuple[str, ...]
    rows: list[tuple[int, list[str]]]

    def column(self, names: Iterable[str]) -> int | None:
        """The first column that has one of some names."""
        return next((self.header.index(name) for name in names if name in self.header), None)


def is_csv_table(source: Source) -> bool:
    """Whether a file starts with a header of known columns."""
    header = _header(source.text)[1]
    words = any(name in header for name in WORD_COLUMNS)
    texts = any(name in header for name in TEXT_COLUMNS)
    labels = any(name in header for name in (*TAG_COLUMNS, *SPAN_COLUMNS))
    numbers = any(name in header for name in NUMBER_COLUMNS)
    if len(header) > 1 and ((words and (labels or numbers)) or (texts and labels)):
        return True
    tagged = any(is_tag(name.upper()) for name in header)  # a column file that starts with the word `Text`
    return source.path.suffix.lower() in SUFFIXES and (words or texts) and not tagged


def read_csv_table(source: Source) -> Content:
    """Read a file.

    Raises:
        DataError: with the line, if a row has other columns than the header, or a cell is not what it should be.
    """
    table = _table(source)
    word, tag = table.column(WORD_COLUMNS), table.column(TAG_COLUMNS)
    tag = _column_of_tags(table, word) if tag is None else tag
    if word is not None and not any(_is_sentence(cells, word, tag) for _, cells in table.rows):
        return _words(source, table, word, tag)
    return _sentences(source, table)


def _header(text: str) -> tuple[str, tuple[str, ...]]:
    """The delimiter and the names of the columns in the first line."""
    first = text.lstrip("\r\n").split("\n", 1)[0].rstrip("\r")
    delimiter = max(DELIMITERS, key=first.count)
    try:
        cells = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    return delimiter, tuple(cell.strip().lower() for cell in cells)


def _table(source: Source) -> Table:
    """The rows of a file with quoted cells; of words also with quotes as words, where else a cell would hold lines."""
    delimiter, header = _header(source.text)
    quoted = _rows(source, delimiter, csv.QUOTE_MINIMAL)
    whole = not isinstance(quoted, DataError) and not any("\n" in cell for _, cells in quoted for cell in cells)
    if not whole and any(name in header for name in WORD_COLUMNS):
        plain = _rows(source, delimiter, csv.QUOTE_NONE)
        if not isinstance(plain, DataError):
            return Table(header, plain)
    if isinstance(quoted, DataError):
        raise quoted
    return Table(header, quoted)


def _rows(source: Source, delimiter: str, quoting: Any) -> list[tuple[int, list[str]]] | DataError:
    """The rows below the header, or what is wrong with them."""
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(source.text, newline=""), delimiter=delimiter, quoting=quoting)
    width = line = 0
    try:
        for cells in reader:
            line, start = reader.line_num, line + 1
            if not any(cell.strip() for cell in cells):
                rows.append((start, []))
                continue
            width = width or len(cells)
            if len(cells) != width:
                return DataError(
                    f"{source.path}, line {start} has {len(cells)} columns, but the header has {width}: "
                    f"'{excerpt(delimiter.join(cells))}'. Repair the line, or quote its cells."
                )
            rows.append((start, cells))
    except csv.Error as error:
        return DataError(f"{source.path}, line {line + 1} is no CSV ({error}); export the file again.")
    header = next(number for number, (_, cells) in enumerate(rows) if cells)
    return rows[header + 1 :]


def _column_of_tags(table: Table, word: int | None) -> int | None:
    """The only column whose cells are all tags, whatever it is called."""
    candidates = []
    for at in range(len(table.header)):
        cells = [cells[at].strip() for _, cells in table.rows if cells]
        if (
            at != word
            and any(cell[1:] for cell in cells if is_tag(cell))
            and all(is_tag(cell) for cell in cells if cell)
        ):
            candidates.append(at)
    return candidates[0] if len(candidates) == 1 else None


def _is_sentence(cells: list[str], word: int, tag: int | None) -> bool:
    """Whether a row is a sentence: a list, or words set apart by blanks with as many tags."""
    if not cells:
        return False
    words = len(cells[word].split())
    return _is_listed(cells[word]) or (words > 1 and (tag is None or words == len(cells[tag].split())))


def _is_listed(cell: str) -> bool:
    return LISTED.fullmatch(cell) is not None


def _words(source: Source, table: Table, word: int, tag: int | None) -> Content:
    """Sentences of a table of words: a new number, or a blank line, starts one; a cell without a number does not."""
    number = table.column(name for name in NUMBER_COLUMNS if name in table.header and table.header.index(name) != word)
    sentences: list[TaggedSentence] = []
    words: list[str] = []
    tags: list[str | None] = []
    places: list[str] = []

    def finish() -> None:
        if words:
            sentences.append(TaggedSentence(tuple(words), None if tag is None else tuple(tags), tuple(places)))
        for column in (words, tags, places):
            column.clear()

    current = ""
    for line, cells in table.rows:
        if not cells:
            finish()
            continue
        sentence_number = cells[number].strip() if number is not None else ""
        if sentence_number and sentence_number != current:
            finish()
            current = sentence_number
        text = cells[word].strip(" \t\r\n")
        if not text:
            raise DataError(f"{source.path}, line {line} has an empty {table.header[word]}; repair the line.")
        words.append(text)
        tags.append((cells[tag].strip() or None) if tag is not None else None)
        places.append(f"line {line}")
    finish()
    notes: tuple[str, ...] = ()
    if number is None and len(sentences) == 1:
        notes = ("no column numbers the sentences and no blank line ends one: all words are one sentence",)
    return Content("CSV, a word a line", sentences=tuple(sentences), notes=notes)


def _sentences(source: Source, table: Table) -> Content:
    """Documents or sentences of a table with a text, or words, in every row."""
    words, text = table.column(WORD_COLUMNS), table.column(TEXT_COLUMNS)
    names = list(table.header)
    if words is not None:
        names[words] = "tokens"
    elif text is not None:
        names[text] = "text"
    values: list[tuple[str, Any]] = []
    for line, cells in table.rows:
        if not cells:
            continue
        row = {name: _cell(cell) for name, cell in zip(names, cells, strict=True) if name}
        if text is not None and not _is_list_of_words(row[names[text]]):
            row[names[text]] = cells[text]
        if words is not None and isinstance(row["tokens"], str):
            if _is_listed(row["tokens"]):
                raise DataError(f"{source.path}, line {line}: {excerpt(row['tokens'])} is no list of words; repair it.")
            row["tokens"] = row["tokens"].split()
        for name in ("word_labels", "iob", "bio", "ner_tag", "tag", "entity"):
            if name in row:
                row.setdefault("tags", row.pop(name))
        values.append((f"line {line}", row))
    content = read_items(source.path, Items(values, ()))
    return content._replace(format="CSV, a sentence a line")


def _is_list_of_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _cell(cell: str) -> Any:
    """What a cell of JSON or of a Python list holds; any other as it stands."""
    if not cell.strip().startswith(("[", "{")):
        return cell
    try:
        return read_value(cell)
    except (ValueError, RecursionError):
        return cell


CSV = Format("CSV", is_csv_table, read_csv_table)
