"""JSONL files: one text a line with spans of characters, as annotation tools export them.

A line is `{"text": ..., "spans": [...]}`; the spans may also be called `entities`, `ents`, `label` or `labels`, and one
is `[start, end, type]` or an object with `start` and `end`, or `start_offset` and `end_offset`, and `label` or `type`.
These are the exports of Doccano (both forms), Prodigy, and spaCy (`Doc.to_json`, and its pairs `[text, {"entities":
...}]`). Offsets count code points from 0; `end` is one past the last character. A line is one sentence, however long.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from metamann.data.held_out import hold_out_types
from metamann.data.sentences import Sentence, SentenceSplits, Span
from metamann.data.text_files import read_text
from metamann.data.tokens import tokenise
from metamann.errors import DataError

SPAN_KEYS = ("spans", "entities", "ents", "label", "labels")
FIRST = 5  # misaligned spans that an error or a warning names


class Misaligned(NamedTuple):
    """A span that is left out because no run of tokens is it.

    Attributes:
        row: line number in the file, from 1.
        start: its first character.
        end: one past its last character.
        type: its type.
        reason: what is wrong with it.
    """

    row: int
    start: int
    end: int
    type: str
    reason: str

    def __str__(self) -> str:
        """One line for errors and notes."""
        return f"row {self.row}, characters {self.start} to {self.end} ({self.type}): {self.reason}"


class JsonlFile(NamedTuple):
    """What a file holds.

    Attributes:
        path: of the file.
        sentences: in its order, those without any token left out.
        misaligned: the spans left out.
        rejected: line numbers of the texts that the annotator did not accept (`answer` of Prodigy), left out.
        empty: line numbers of texts without any token, left out.
    """

    path: Path
    sentences: tuple[Sentence, ...]
    misaligned: tuple[Misaligned, ...]
    rejected: tuple[int, ...]
    empty: tuple[int, ...]

    def notes(self) -> tuple[str, ...]:
        """What was found and decided, one line each; every misaligned span has its own."""
        spans = sum(len(sentence.spans) for sentence in self.sentences)
        return (
            f"{self.path.name}: {len(self.sentences):,} sentences, {spans:,} entities; left out: "
            f"{len(self.misaligned)} misaligned spans, {len(self.rejected)} texts not accepted, "
            f"{len(self.empty)} empty texts",
            *(f"{self.path.name}, {span}" for span in self.misaligned),
        )


def jsonl(
    path: str,
    misaligned: Literal["error", "report"] = "error",
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> SentenceSplits:
    """Read one file and deal its types to train, val and test (`hold_out_types`).

    Args:
        path: of the file.
        misaligned: whether spans that are no run of tokens are an error, or left out with a warning and a note each.
        shares: of the types that train, val and test get; `(0, 0, 1)` puts all in test.
        seed: of the split.

    Raises:
        DataError: if the file cannot be read, a line of it is bad, spans are misaligned, or an option is unknown.
    """
    if misaligned not in ("error", "report"):
        raise DataError(f"data.misaligned={misaligned} is unknown; choose error or report.")
    file = read_jsonl(Path(path).expanduser())
    if file.misaligned:
        first = "; ".join(map(str, file.misaligned[:FIRST]))
        more = f"; and {len(file.misaligned) - FIRST} more" if len(file.misaligned) > FIRST else ""
        text = f"{len(file.misaligned)} spans of {file.path} are no run of tokens: {first}{more}."
        if misaligned == "error":
            raise DataError(f"{text} Repair them, or set data.misaligned=report to go on without them.")
        warnings.warn(f"left out: {text}", stacklevel=2)
    return hold_out_types(f"jsonl/{file.path.name}", file.sentences, shares, seed, file.notes())


def read_jsonl(path: Path) -> JsonlFile:
    """Read one file; misaligned spans are in the result, not among the sentences.

    Args:
        path: of the file, UTF-8; blank lines are passed over.

    Raises:
        DataError: with the file, and the line where a line is bad: no JSON, no text, spans without offsets or type.
    """
    sentences, misaligned, rejected, empty = [], [], [], []
    for row, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        text, spans, accepted = _parsed(path, row, line)
        if not accepted:
            rejected.append(row)
            continue
        tokens = tokenise(text)
        kept, left_out = _aligned(row, text, tokens, spans)
        misaligned += left_out
        if tokens:
            sentences.append(Sentence(tuple(text[start:end] for start, end in tokens), kept))
        else:
            empty.append(row)
    if not sentences:
        raise DataError(f"{path} holds no sentences; give a file with an object such as {{'text': ...}} in every line.")
    return JsonlFile(path, tuple(sentences), tuple(misaligned), tuple(rejected), tuple(empty))


def _parsed(path: Path, row: int, line: str) -> tuple[str, list[Span], bool]:
    """Text, spans of characters sorted by their start, long ones first, and whether the annotator accepted them."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {row} is no JSON ({error}); write one object a line.") from error
    if isinstance(content, list) and len(content) == 2 and isinstance(content[1], dict):
        content = {"text": content[0], **content[1]}
    if not isinstance(content, dict) or not isinstance(content.get("text"), str):
        raise DataError(f'{path}, line {row} has no text; write {{"text": ..., "spans": [[start, end, type], ...]}}.')
    if any("\ud800" <= character <= "\udfff" for character in content["text"]):
        raise DataError(f"{path}, line {row} has half a surrogate pair in its text; export it as UTF-8 again.")
    found = [content[key] for key in SPAN_KEYS if content.get(key)]
    if len(found) > 1 or not all(isinstance(each, list) for each in found):
        raise DataError(
            f"{path}, line {row} must have one list of spans under one of the names {', '.join(SPAN_KEYS)}; "
            f"it has {len(found)} of them."
        )
    spans = [_span(path, row, span) for each in found for span in each]
    accepted = content.get("answer", "accept") == "accept"
    return content["text"], sorted(spans, key=lambda span: (span.start, -span.end)), accepted


def _span(path: Path, row: int, span: Any) -> Span:
    if isinstance(span, dict):
        span = [
            span.get("start", span.get("start_offset")),
            span.get("end", span.get("end_offset")),
            span.get("label", span.get("type")),
        ]
    if not isinstance(span, list) or len(span) != 3 or [type(each) for each in span] != [int, int, str] or not span[2]:
        raise DataError(
            f"{path}, line {row}: a span is {json.dumps(span)[:60]}, but should be [start, end, type] or "
            '{"start": ..., "end": ..., "label": ...}, two whole numbers and a name.'
        )
    return Span(*span)


def _aligned(
    row: int, text: str, tokens: list[tuple[int, int]], spans: list[Span]
) -> tuple[tuple[Span, ...], list[Misaligned]]:
    """Spans of tokens, and those of characters that are no run of tokens or overlap one that is."""
    first = {start: number for number, (start, _) in enumerate(tokens)}
    last = {end: number for number, (_, end) in enumerate(tokens)}
    kept: list[Span] = []
    left_out = []
    for start, end, type_ in spans:
        if not 0 <= start < end <= len(text):
            reason = f"not inside the text, which has {len(text)} characters"
        elif start not in first or end not in last:
            reason = f"'{text[start:end]}' in '{text[max(start - 10, 0) : end + 10]}' does not fall on token borders"
        elif kept and first[start] < kept[-1].end:
            reason = f"'{text[start:end]}' overlaps the {kept[-1].type} before it"
        else:
            kept.append(Span(first[start], last[end] + 1, type_))
            continue
        left_out.append(Misaligned(row, start, end, type_, reason))
    return tuple(kept), left_out
