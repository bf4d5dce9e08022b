"""The borders of a marked span without the white space and the punctuation at its ends."""

from __future__ import annotations

ENDS = ".!?…。！？｡"  # noqa: RUF001  # of sentences
PAUSES = ",;:，；：、､"  # noqa: RUF001
FULL_WIDTH_STOP = "。"
CLOSING = "\"'”’»)]}」』）"  # noqa: RUF001
ABBREVIATIONS = {
    *("bros", "co", "corp", "dept", "dr", "etc", "gen", "gov", "inc", "jr", "llc", "ltd", "messrs", "mr", "mrs", "ms"),
    *("mt", "no", "plc", "prof", "rep", "rev", "sen", "sr", "st", "vs", "univ", "assn", "intl", "natl", "capt", "blvd"),
}
SHORTEST_LAST_WORD = 4  # of a sentence, where an abbreviation is as likely


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
    if last == FULL_WIDTH_STOP:
        return True
    rest = text[end:].lstrip(CLOSING + ENDS)
    after = rest.lstrip(" \t")[:1]
    if not after or after in "\r\n":
        return True
    # a sentence of the same text follows
    return last == "." and rest != rest.lstrip() and after.isupper() and len(word[0]) >= SHORTEST_LAST_WORD
