"""Where a marked span starts and ends, without the white space and the punctuation that people mark with it."""

from __future__ import annotations

ENDS = ".!?…。！？｡"  # noqa: RUF001  # of sentences
PAUSES = ",;:，；：、､"  # noqa: RUF001
CLOSING = "\"'”’»)]}」』）"  # noqa: RUF001
ABBREVIATIONS = {
    *("bros", "co", "corp", "dept", "dr", "etc", "gen", "gov", "inc", "jr", "llc", "ltd", "messrs", "mr", "mrs", "ms"),
    *("mt", "no", "plc", "prof", "rep", "rev", "sen", "sr", "st", "vs"),
}


def trimmed(text: str, start: int, end: int, punctuation: bool = True) -> tuple[int, int]:
    """The borders of a span without the white space at them and, after it, the end of its sentence or a pause.

    Args:
        text: that the span is in.
        start: its first character.
        end: one past its last.
        punctuation: whether the full stop of a sentence and a comma are taken off; that of an abbreviation never is.
    """
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    while punctuation and end - start > 1 and _is_loose(text, start, end):
        end -= 1
        while text[end - 1].isspace():
            end -= 1
    return start, end


def _is_loose(text: str, start: int, end: int) -> bool:
    """Whether the last character of a span belongs to the sentence around it."""
    last = text[end - 1]
    if not any(character.isalnum() for character in text[start:end]):
        return False
    if last in PAUSES:
        return True
    if last not in ENDS:
        return False
    word = text[start : end - 1].split()[-1:]
    if last == "." and word and ("." in word[0] or len(word[0]) == 1 or word[0].lower() in ABBREVIATIONS):
        return False
    rest = text[end:].lstrip(CLOSING)
    return not rest.strip(" \t") or rest.lstrip(" \t")[0] in "\r\n"
