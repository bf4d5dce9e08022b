"""spaCy's `.spacy` files (DocBin): documents with words, sentences and entities, compressed.

The file is read here and not by spaCy: its arrays go into no C code, nothing in it is unpickled or looked up, user
data are passed over, and what it can grow to is limited (LARGEST, LONGEST).

The format is msgpack, compressed by zlib: a map with `attrs`, the numbers of the attributes; `tokens`, a row of
unsigned 64-bit numbers for every word with a column for every attribute; `spaces`, whether a blank follows a word;
`lengths`, the numbers of words of the documents; `strings`. In the rows a string is its hash or, for the names that
spaCy itself uses, the number of its line in spacy_symbols.txt.

References:
    https://spacy.io/api/docbin and spacy/tokens/_serialize.py, spacy/strings.pyx of spaCy 3.8.
"""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metamann.data.own.documents import Document, Mark
from metamann.data.own.formats.source import Content, Format, Source, Tally, split_document
from metamann.errors import DataError, excerpt

if TYPE_CHECKING:
    from msgpack import Unpacker

LARGEST = 2**28  # bytes of a file once it is unpacked: about 2.5 million words
LONGEST = 1_000_000  # of the lists of strings and of documents
ORTH, ENT_IOB, ENT_TYPE, SENT_START = 65, 77, 78, 80  # numbers of attributes
INSIDE, OUTSIDE, BEGIN = 1, 2, 3  # of ENT_IOB; 0 where nothing is known
STRING, BINARY, NUMBER, ARRAY, MAP = (  # first bytes of values in msgpack
    frozenset({*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB}),
    frozenset({0xC4, 0xC5, 0xC6}),
    frozenset({*range(0x80), *range(0xCC, 0xD4), *range(0xE0, 0x100)}),
    frozenset({*range(0x90, 0xA0), 0xDC, 0xDD}),
    frozenset({*range(0x80, 0x90), 0xDE, 0xDF}),
)
FACTOR, MASK = 0xC6A4A7935BD1E995, 2**64 - 1  # of MurmurHash64A
GROUPS = "documents with groups of spans (doc.spans), which are not read"
EMPTY_GROUPS = (b"", b"\x90")  # documents without named groups of spans


class _Table(NamedTuple):
    """The words of all documents, and the numbers of the documents that have groups of spans."""

    columns: dict[int, NDArray[np.uint64]]
    spaces: NDArray[np.bool_]
    lengths: list[int]
    strings: dict[int, str]
    groups: frozenset[int]


def is_docbin(source: Source) -> bool:
    """Whether a file is a DocBin: by its first bytes, or by its name."""
    if source.path.is_dir():
        return False
    if source.path.suffix.lower() == ".spacy":
        return True
    try:
        start = zlib.decompressobj().decompress(source.content, 64)
    except zlib.error:
        return False
    return start[:1] != b"" and start[0] in MAP and b"attrs" in start


def read_docbin(source: Source) -> Content:
    """Read a file; a sentence of a document is a document of the result where the file says where sentences start.

    Raises:
        DataError: if it is no DocBin, is broken or too large, or msgpack is not installed.
    """
    try:
        from msgpack import Unpacker
        from msgpack.exceptions import UnpackException
    except ImportError as error:
        raise DataError(f"{source.path} needs the package msgpack: pip install metamann[text].") from error
    data = _unpacked(source)
    try:
        unpacker = Unpacker(max_buffer_size=LARGEST)
        unpacker.feed(data)
        table = _table(_Values(data, unpacker))
    except (ValueError, KeyError, RecursionError, MemoryError, OverflowError) as error:
        raise DataError(f"{source.path} is a broken .spacy file ({excerpt(error)}); save it again.") from error
    except UnpackException as error:
        raise DataError(f"{source.path} ends too early for a .spacy file; save it again.") from error
    documents: list[Document] = []
    tally = Tally()
    first = 0
    for number, length in enumerate(table.lengths, 1):
        document, borders = _document(source.path, f"document {number}", table, first, first + length)
        parts, inside = split_document(document, borders, "{place}, sentence {number}")
        documents += parts
        tally.add("documents without words, left out", document.place, not parts)
        tally.add("sentence borders inside an entity, passed over", document.place, inside)
        tally.add(GROUPS, document.place, number in table.groups)
        first += length
    return Content(DOCBIN.name, tuple(documents), notes=tally.notes())


class _Values:
    """Reads the values of a msgpack map one by one, and refuses a value of another kind than expected."""

    def __init__(self, data: bytes, unpacker: Unpacker) -> None:
        self.data = data
        self.unpacker = unpacker

    def take(self, kind: frozenset[int]) -> Any:
        """The next value, a string, bytes or a number."""
        self._check(kind)
        return self.unpacker.unpack()

    def length(self, kind: frozenset[int] = ARRAY) -> int:
        """The length of the next array or map, whose values come next."""
        self._check(kind)
        length: int = self.unpacker.read_array_header() if kind is ARRAY else self.unpacker.read_map_header()
        if length > LONGEST:
            raise ValueError(f"a list of more than {LONGEST:,} values")
        return length

    def skip(self) -> None:
        """Pass over the next value without building it."""
        self.unpacker.skip()

    def _check(self, kind: frozenset[int]) -> None:
        position = self.unpacker.tell()
        if position >= len(self.data) or self.data[position] not in kind:
            raise ValueError(f"unexpected value at byte {position}")


def _unpacked(source: Source) -> bytes:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(source.content, LARGEST)
    except zlib.error as error:
        raise DataError(f"{source.path} is no .spacy file ({error}); save it with DocBin.to_disk.") from error
    if unpacker.unconsumed_tail:
        raise DataError(f"{source.path} unpacks to more than {LARGEST // 2**20} MiB; save it in several parts.")
    if not unpacker.eof:
        raise DataError(f"{source.path} ends too early for a .spacy file; copy it again.")
    return data


def _table(values: _Values) -> _Table:
    """The parts of a file that are read; all others are passed over."""
    attributes: list[int] = []
    binary: dict[str, bytes] = {}
    strings: dict[int, str] = {}
    groups: frozenset[int] = frozenset()
    for _ in range(values.length(MAP)):
        key = values.take(STRING)
        if key == "attrs":
            attributes = [values.take(NUMBER) for _ in range(values.length())]
        elif key in ("tokens", "spaces", "lengths"):
            binary[key] = values.take(BINARY)
        elif key == "strings":
            strings = {string_number(text): text for text in (values.take(STRING) for _ in range(values.length()))}
        elif key == "span_groups":
            last = values.length()
            groups = frozenset(number for number in range(1, last + 1) if values.take(BINARY) not in EMPTY_GROUPS)
        else:
            values.skip()
    if ORTH not in attributes or len(set(attributes)) < len(attributes):
        raise ValueError("words are missing")
    rows = np.frombuffer(binary["tokens"], "<u8").reshape(-1, len(attributes))
    lengths = np.frombuffer(binary["lengths"], "<i4").tolist()
    spaces = np.frombuffer(binary["spaces"], np.uint8) != 0
    if len(lengths) > LONGEST or min(lengths, default=0) < 0 or not sum(lengths) == len(rows) == len(spaces):
        raise ValueError("the numbers of words do not agree")
    columns = {attribute: rows[:, column] for column, attribute in enumerate(attributes)}
    return _Table(columns, spaces, lengths, strings, groups)


def _document(path: Path, place: str, table: _Table, first: int, last: int) -> tuple[Document, list[int]]:
    """One document and the first characters of its sentences, where they are known."""
    numbers: dict[int, list[int]] = {
        attribute: column[first:last].tolist()
        for attribute, column in table.columns.items()
        if attribute in (ORTH, ENT_IOB, ENT_TYPE, SENT_START)
    }
    words, marks, borders = [], [], []
    parts: list[str] = []
    position = 0
    for index, (number, space) in enumerate(zip(numbers[ORTH], table.spaces[first:last].tolist(), strict=True)):
        text = _string(path, place, table, number)
        words.append((position, position + len(text)))
        if index and SENT_START in numbers and numbers[SENT_START][index] == 1:
            borders.append(position)
        parts += [text, " "] if space else [text]
        position += len(text) + space
    text = "".join(parts)
    for start, end, type_ in _runs(numbers.get(ENT_IOB), numbers.get(ENT_TYPE)):
        begin, stop = words[start][0], words[end - 1][1]
        marks.append(Mark(begin, stop, _string(path, place, table, type_), text[begin:stop]))
    labelled = ENT_TYPE in numbers and (any(numbers[ENT_IOB]) if ENT_IOB in numbers else bool(marks))
    visible = tuple((start, end) for start, end in words if text[start:end].strip())
    return Document(place, text, tuple(marks) if labelled else None, visible), borders


def _runs(tags: list[int] | None, types: list[int] | None) -> list[tuple[int, int, int]]:
    """First word, one past the last word and type of every entity; without tags, a run of one type is an entity."""
    runs: list[tuple[int, int, int]] = []
    for index, type_ in enumerate(types or ()):
        tag = tags[index] if tags is not None else INSIDE
        if not type_ or tag not in (INSIDE, BEGIN):
            continue
        if tag == INSIDE and runs and runs[-1][1] == index and runs[-1][2] == type_:
            runs[-1] = (runs[-1][0], index + 1, type_)
        else:
            runs.append((index, index + 1, type_))
    return runs


def _string(path: Path, place: str, table: _Table, number: int) -> str:
    if number < len(symbols()):
        return symbols()[number]
    text = table.strings.get(number)
    if text is None:
        raise DataError(f"{path}, {place}: a word or type is not among the strings of the file; save it again.")
    return text


@cache
def symbols() -> tuple[str, ...]:
    """The names that spaCy itself uses, by their numbers."""
    return tuple(Path(__file__).with_name("spacy_symbols.txt").read_text(encoding="utf-8").split("\n")[:-1])


@cache
def _symbol_numbers() -> dict[str, int]:
    return {name: number for number, name in enumerate(symbols())}


def string_number(text: str) -> int:
    """The number that stands for a string: of a name that spaCy uses its own, of others MurmurHash64A, seed 1."""
    if text in _symbol_numbers():
        return _symbol_numbers()[text]
    data = text.encode()
    result = 1 ^ (len(data) * FACTOR & MASK)
    whole = len(data) - len(data) % 8
    for start in range(0, whole, 8):
        block = int.from_bytes(data[start : start + 8], "little") * FACTOR & MASK
        block = (block ^ block >> 47) * FACTOR & MASK
        result = (result ^ block) * FACTOR & MASK
    if whole < len(data):
        result = (result ^ int.from_bytes(data[whole:], "little")) * FACTOR & MASK
    result = (result ^ result >> 47) * FACTOR & MASK
    return result ^ result >> 47


DOCBIN = Format("spaCy DocBin", is_docbin, read_docbin)
