"""How a corpus spells its tags: the schemes of `metamann.data.sentences.tags` are written in many ways.

| spelling | what is written | read as |
|---|---|---|
| letters | BILUO, BMES, BMEWO, BIOES, BIEO: L is E; U and W are S; M is I | IOBES |
| letters | I and E without B: mirrored, they are IOB1 or IOB2 | IOE1, IOE2 |
| place, sign | `B-person`, `B_person`, `B/person`, `b-person`, `person-B`; B and I without a type | `B-person` |
| outside | `O`, else the one of `o 0 OUT OUTSIDE NONE NULL NIL _ - *` that is there | `O` |

The whole corpus has one spelling, and a tag that is spelled otherwise is refused. Where `O` is written too, `_`, `-`
and `*` say that a word has no tag.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from metamann.data.sentences.store import Span
from metamann.data.sentences.tags import OUTSIDE, Scheme, TagError, TagReading, detect_scheme, read_tags
from metamann.errors import excerpt

SchemeOption = Literal["auto", "IO", "IOB1", "IOB2", "IOBES"]

PLACEHOLDERS = ("_", "-", "*")
OUTSIDE_WORDS = ("O", "0", "OUT", "OUTSIDE", "NONE", "NULL", "NIL")
LETTERS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
SIGNS = "-_/|:."  # between letter and type
ONLY_TYPE = "entity"  # of tags that say none
LEAST_SHARE = 0.5  # of the marked words that must fit a spelling, or it is none of this corpus
TWO_TAGS = re.compile(r"[|,;+&/ ][BIESLUMW][-_]")
BRACKETS = re.compile(r"\(.*\*|\*.*\)|^\*$")  # as CoNLL-2012 writes spans


@dataclasses.dataclass(frozen=True)
class Spelling:
    """How tags are written.

    Attributes:
        name: of the scheme, as people call it.
        scheme: that it is read by.
        pattern: of a tag of a marked word; its groups are `letter` and `type`, either may be missing.
        shape: of such a tag, for errors.
        outside: tags of words in no span.
        missing: what stands for a tag that is not there.
        mirrored: the letters say where spans end.
        lone: a B that no I or E continues is a span of one word.

    Examples:
        >>> spelling = detect_spelling([["B_person", "I_person", "O"]])
        >>> spelling.describe()
        'IOB2 (B_TYPE)'
        >>> spelling.read(["O", "B_city"]).spans
        (Span(start=1, end=2, type='city'),)
    """

    name: str
    scheme: Scheme
    pattern: re.Pattern[str]
    shape: str
    outside: frozenset[str]
    missing: frozenset[str]
    mirrored: bool = False
    lone: bool = False
    _known: dict[str, str] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def describe(self) -> str:
        """The scheme, and how its tags are written where that is not the usual way."""
        ways = [] if self.shape in (STYLES[0].shape, TYPES_ALONE.shape) else [self.shape]
        ways += [f"{tag} for O" for tag in sorted(self.outside - {OUTSIDE})]
        return f"{self.name} ({', '.join(ways)})" if ways else self.name

    def read(self, tags: Sequence[str]) -> TagReading:
        """The spans of a sentence.

        Raises:
            TagError: if a tag is spelled otherwise, or stands where the scheme cannot have it.
        """
        plain = [self._known.get(tag) or self._plain(position, tag) for position, tag in enumerate(tags)]
        if self.lone:
            plain = [
                f"S{tag[1:]}" if tag[0] == "B" and after not in (f"I{tag[1:]}", f"E{tag[1:]}") else tag
                for tag, after in zip(plain, [*plain[1:], OUTSIDE], strict=True)
            ]
        try:
            reading = read_tags(_mirrored(plain) if self.mirrored else plain, self.scheme)
        except TagError as error:
            written, read_as = excerpt(tags[error.position]), plain[error.position]
            raise TagError(error.position, str(error).replace(f"'{read_as}'", f"'{written}'")) from error
        if not self.mirrored:
            return reading
        last = len(tags)
        spans = tuple(Span(last - span.end, last - span.start, span.type) for span in reversed(reading.spans))
        return TagReading(spans, tuple(last - 1 - position for position in reversed(reading.broken)))

    def lenient(self, tags: Sequence[str]) -> list[str]:
        """The tags as `detect_scheme` takes them; those that are spelled otherwise are O until they are read."""
        plain = []
        for tag in tags:
            try:
                plain.append(self._plain(0, tag))
            except TagError:
                plain.append(OUTSIDE)
        return plain

    def _plain(self, position: int, tag: str) -> str:
        """A tag as `read_tags` takes it."""
        if tag in self.outside:
            self._known[tag] = OUTSIDE
            return OUTSIDE
        match = self.pattern.fullmatch(tag)
        parts = match.groupdict() if match else {}
        type_ = parts.get("type", ONLY_TYPE)
        letter = LETTERS.get(parts["letter"].upper(), "") if "letter" in parts else "I"
        if match is None or not letter:
            raise TagError(position, f"tag '{excerpt(tag)}' is not of the scheme {self.name} (O, {self.shape})")
        if type_.upper() == OUTSIDE or not type_.strip():
            raise TagError(position, f"tag '{excerpt(tag)}' names the type '{excerpt(type_)}', which means no type")
        if TWO_TAGS.search(type_) or BRACKETS.search(tag):
            raise TagError(position, f"'{excerpt(tag)}' is not one tag of a word; nested spans have no place in tags")
        self._known[tag] = type_ if self.scheme == "IO" else f"{letter}-{type_}"
        return self._known[tag]


class _Style(NamedTuple):
    """Where a tag has its letter and its type."""

    pattern: re.Pattern[str]
    shape: str
    usual: bool


def _styles() -> list[_Style]:
    styles = []
    for sign in SIGNS:
        for letter in ("[A-Z]", "[a-z]"):
            case = "B" if letter == "[A-Z]" else "b"
            pattern = re.compile(rf"(?P<letter>{letter}){re.escape(sign)}(?P<type>.+)", re.DOTALL)
            styles.append(_Style(pattern, f"{case}{sign}TYPE", sign == "-" and case == "B"))
    for sign in SIGNS:
        pattern = re.compile(rf"(?P<type>.+){re.escape(sign)}(?P<letter>[A-Z])", re.DOTALL)
        styles.append(_Style(pattern, f"TYPE{sign}B", False))
    styles.append(_Style(re.compile(r"(?P<letter>[A-Z])"), "B", False))
    return styles


STYLES = _styles()
TYPES_ALONE = _Style(re.compile(r"(?P<type>.+)", re.DOTALL), "TYPE", False)
PREFIXED = re.compile(r"[BIESLUMW]-.*", re.DOTALL)


def detect_spelling(rows: Iterable[Sequence[str | None]], scheme: SchemeOption = "auto") -> Spelling:
    """The spelling of a corpus.

    Args:
        rows: the tags of its sentences.
        scheme: that the tags are of, or `auto`: whichever they are of.

    Raises:
        TagError: if no one spelling is the right one; its position is that of the tag in all rows together.
    """
    tagged = [[tag for tag in row if tag is not None] for row in rows]
    counts = Counter(tag for row in tagged for tag in row)
    outside, missing = _outside(counts)
    marked = Counter({tag: count for tag, count in counts.items() if tag not in outside | missing})
    style = TYPES_ALONE if scheme == "IO" or not marked else _style(marked)
    if style is TYPES_ALONE and scheme in ("auto", "IO"):
        if scheme == "auto":
            _refuse_prefixes(tagged, marked)
        return Spelling("IO", "IO", style.pattern, style.shape, outside, missing)

    def spelling(name: str, scheme: Scheme, mirrored: bool = False, lone: bool = False) -> Spelling:
        tag_style = STYLES[0] if style is TYPES_ALONE else style
        return Spelling(name, scheme, tag_style.pattern, tag_style.shape, outside, missing, mirrored, lone)

    if scheme != "auto":
        return spelling(scheme, scheme)
    written = {match["letter"].upper() for tag in marked if (match := style.pattern.fullmatch(tag))}
    letters = {LETTERS[letter] for letter in written & LETTERS.keys()}
    if "E" in letters and letters <= {"I", "E"} and "M" not in written:
        mirrored = detect_scheme(_mirrored(spelling("IOE2", "IOB2").lenient(row)) for row in tagged)
        return (
            spelling("IOE1", "IOB1", mirrored=True) if mirrored == "IOB1" else spelling("IOE2", "IOB2", mirrored=True)
        )
    if letters & {"E", "S"} or "M" in written:
        return spelling(_name(written), "IOBES", lone="B" in letters and "S" not in letters)
    detected = detect_scheme(spelling("IOB2", "IOB2").lenient(row) for row in tagged)
    return spelling("IOB1", "IOB1") if detected == "IOB1" else spelling("IOB2", "IOB2")


def is_tag(cell: str) -> bool:
    """Whether a cell, seen alone, looks like a tag: outside, or a letter of a scheme before or after a type."""
    for style in STYLES:
        match = style.pattern.fullmatch(cell)
        if match is not None and match["letter"].upper() in LETTERS:
            type_ = match.groupdict().get("type", ONLY_TYPE)
            return any(map(str.isalpha, type_))  # B-52 is a word
    return cell == OUTSIDE


def _style(marked: Counter[str]) -> _Style:
    """The style that most tags of marked words fit; types alone if it is less than half of them."""
    best, best_share = TYPES_ALONE, 0.0
    for style in STYLES:
        letters: Counter[str] = Counter()
        for tag, count in marked.items():
            if match := style.pattern.fullmatch(tag):
                letters[match["letter"]] += count
        known = {letter for letter in letters if letter.upper() in LETTERS}
        if not style.usual and not {"B", "b"} & known:
            continue  # types such as e-mail or vitamin_C
        share = sum(letters[letter] for letter in (letters if style.usual else known)) / marked.total()
        if share > best_share:
            best, best_share = style, share
    return best if best_share >= LEAST_SHARE else TYPES_ALONE


def _outside(counts: Counter[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The tags of words in no span, and what stands where a tag is missing."""
    words = [word for word in OUTSIDE_WORDS if any(tag.upper() == word for tag in counts)]
    placeholders = frozenset(tag for tag in counts if tag in PLACEHOLDERS)
    if words:
        return frozenset({OUTSIDE, *(tag for tag in counts if tag.upper() == words[0])}), placeholders
    if len(placeholders) == 1:
        return placeholders | {OUTSIDE}, frozenset()
    return frozenset({OUTSIDE}), placeholders


def _refuse_prefixes(rows: Sequence[Sequence[str]], marked: Counter[str]) -> None:
    """Types alone, of which some look like tags of another scheme, may be either."""
    flat = [tag for row in rows for tag in row]
    for position, tag in enumerate(flat):
        if PREFIXED.fullmatch(tag) and tag in marked:
            message = f"tag '{excerpt(tag)}' has a letter of a scheme, but most tags are types alone"
            raise TagError(position, f"{message}; set scheme=IO if it is a type")
        if tag in marked and tag.upper() in OUTSIDE_WORDS:
            raise TagError(position, f"tag '{excerpt(tag)}' may be a type or mean no type, as O does; write O")
        if tag in marked and tag.isdigit():
            raise TagError(position, f"tag '{excerpt(tag)}' is a number; write the name of the type")


def _mirrored(tags: Sequence[str]) -> list[str]:
    return [f"B{tag[1:]}" if tag[0] == "E" and tag[1:2] == "-" else tag for tag in reversed(tags)]


def _name(letters: set[str]) -> str:
    if letters & {"L", "U"}:
        return "BILUO"
    if "M" in letters:
        return "BMEWO" if "W" in letters else "BMES"
    return "IOBES"
