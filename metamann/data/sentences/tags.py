"""Tag schemes: one tag for each token marks where typed spans start and end.

| scheme | `a a a b O`, the spans being `a`, `a a`, `b` | what a tag says |
|---|---|---|
| IO | `a a a b O` | the type alone: neighbours of one type are one span |
| IOB1 | `I-a B-a I-a I-b O` | B only where a span follows one of its own type |
| IOB2 | `B-a B-a I-a B-b O` | every span starts with B (BIO) |
| IOBES | `S-a B-a E-a S-b O` | the last token is E, a span of one token S |

Broken sequences. IOB1 and IOB2 are read as the scorer of CoNLL reads them [TKS03]: a span starts at B, and at an I
whose previous token is not of a span of its type. So any sequence has one reading; the tags that do not belong there
(under IOB2 such an I, under IOB1 a B that follows no span of its type) are counted. Under IOBES the end is written out,
so a sequence that breaks off says that a tag is wrong: it is refused. An IO sequence cannot be broken.

References:
    [TKS03] Tjong Kim Sang and De Meulder, Introduction to the CoNLL-2003 Shared Task, 2003 (conlleval).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from metamann.data.sentences.store import Span
from metamann.errors import DataError

Scheme = Literal["IO", "IOB1", "IOB2", "IOBES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
OUTSIDE = "O"
PREFIXES = {"IOB1": "BI", "IOB2": "BI", "IOBES": "BIES"}


class TagError(DataError):
    """Raised for a tag that the scheme does not have, or does not allow at its position.

    Attributes:
        position: of the tag in its sentence.
    """

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class TagReading(NamedTuple):
    """Spans of one sentence.

    Attributes:
        spans: sorted, not overlapping.
        broken: positions of the tags that the scheme would not put there.
    """

    spans: tuple[Span, ...]
    broken: tuple[int, ...]


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme of a corpus of tags.

    Types without prefix, in at least half of the tags other than O, are IO; a prefix is any letter and a hyphen, so
    that tags of a scheme not known here are refused when they are read. Any E or S is IOBES. B and I alone are IOB2 or
    IOB1, whichever leaves fewer tags broken; I alone is IOB1, and nothing but O is IO.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for tags in sentences:
        pairs.update(zip((OUTSIDE, *tags), tags, strict=False))
    counts: Counter[str] = Counter()
    alone: Counter[str] = Counter()  # those that follow no tag of their type
    for (before, tag), count in pairs.items():
        if tag != OUTSIDE:
            prefix = tag[0] if _has_prefix(tag) else ""
            counts[prefix] += count
            alone[prefix] += count * (before[2:] != tag[2:])
    if 2 * counts[""] >= counts.total():
        return "IO"
    if counts["E"] or counts["S"]:
        return "IOBES"
    return "IOB2" if counts["B"] and alone["I"] <= alone["B"] else "IOB1"


def read_tags(tags: Sequence[str], scheme: Scheme) -> TagReading:
    """The spans of the tags of a sentence; the top of this file describes how broken sequences are read.

    Raises:
        TagError: if a tag is not of the scheme, or an IOBES sequence breaks off.
    """
    spans: list[Span] = []
    broken: list[int] = []
    start = -1  # of the span that is open
    before = ""  # type of the token before
    for position, tag in enumerate(tags):
        if tag == OUTSIDE:
            prefix, type_ = "", ""
        elif scheme == "IO":
            prefix, type_ = "I", tag
        elif _has_prefix(tag) and tag[0] in PREFIXES[scheme]:
            prefix, type_ = tag[0], tag[2:]
        else:
            raise TagError(position, _unknown(tag, scheme))
        continues = start >= 0 and type_ == before and prefix in ("I", "E")
        if scheme == "IOBES" and (start >= 0 or prefix in ("I", "E")) and not continues:
            raise TagError(position, f"tag '{tag}' breaks a span off or continues none; IOBES is B I ... E, or S")
        if (scheme == "IOB2" and prefix == "I" and not continues) or (
            scheme == "IOB1" and prefix == "B" and type_ != before
        ):
            broken.append(position)
        if start >= 0 and not continues:
            spans.append(Span(start, position, before))
            start = -1
        if type_ and not continues:
            start = position
        if prefix in ("E", "S"):
            spans.append(Span(start, position + 1, type_))
            start = -1
        before = type_
    if start >= 0:
        if scheme == "IOBES":
            raise TagError(len(tags) - 1, f"tag '{tags[-1]}' is the last of its sentence; IOBES ends a span in E or S")
        spans.append(Span(start, len(tags), before))
    return TagReading(tuple(spans), tuple(broken))


def write_tags(length: int, spans: Sequence[Span], scheme: Scheme) -> tuple[str, ...]:
    """The tags of a sentence. `read_tags` turns them into the same spans, but IO joins adjacent spans of one type.

    Args:
        length: tokens of the sentence.
        spans: sorted, not overlapping.
        scheme: the tag scheme.

    Raises:
        DataError: if a span is outside the sentence or overlaps the one before, or its type is empty or, under IO, O.
    """
    tags = [OUTSIDE] * length
    end, before = 0, ""
    for span in spans:
        if not end <= span.start < span.end <= length:
            raise DataError(f"{span} overlaps the span before it, is empty, or is not inside its {length} tokens.")
        if not span.type or (scheme == "IO" and span.type == OUTSIDE):
            raise DataError(f"{span} has a type that {scheme} tags cannot say; give it another name.")
        body = [f"I-{span.type}"] * (span.end - span.start)
        if scheme == "IO":
            body = [span.type] * len(body)
        elif scheme == "IOBES":
            body[-1] = f"E-{span.type}"
        if scheme in ("IOB2", "IOBES") or (scheme == "IOB1" and (end, before) == (span.start, span.type)):
            body[0] = f"{'S' if scheme == 'IOBES' and len(body) == 1 else 'B'}-{span.type}"
        tags[span.start : span.end] = body
        end, before = span.end, span.type
    return tuple(tags)


def _has_prefix(tag: str) -> bool:
    return len(tag) > 2 and tag[1] == "-" and tag[0].isalpha()


def _unknown(tag: str, scheme: Scheme) -> str:
    known = ", ".join(f"{prefix}-TYPE" for prefix in PREFIXES[scheme])
    return f"tag '{tag}' is not of the scheme {scheme} (O, {known}); types without a prefix are scheme IO"
