"""Forms of labelled text that are not read: recognised, so that their tags do not pass for words."""

from __future__ import annotations

import re

# signs that a text has all of
FORMS = (
    ("WebAnno TSV", (re.compile(r"^#FORMAT=WebAnno", re.MULTILINE),)),
    (
        "CoNLL-2012, with types in brackets",
        (re.compile(r"[ \t]\([A-Z_]+\*"), re.compile(r"[ \t]\*\)?[ \t]*(?:-|\*|$)", re.MULTILINE)),
    ),
    ("text with types in angle brackets", (re.compile(r"<([A-Z][A-Z_-]+)>[^<>\n]+</\1>"),)),
)
TAGGED_WORD = re.compile(r"\S+[/|](?:O|[BIESLUM]-\S+)")
LEAST_TAGGED = 0.5  # of the words of a text


def unread_form(text: str) -> str | None:
    """The form of a text whose labels are not read, for people; None if there is no sign of one.

    Args:
        text: of a file without labels.
    """
    named = next((name for name, signs in FORMS if all(sign.search(text) for sign in signs)), None)
    words = text.split()
    tagged = [word for word in words if TAGGED_WORD.fullmatch(word)]
    if named is None and len(tagged) > LEAST_TAGGED * len(words) and any("-" in word for word in tagged):
        return "text with a tag behind every word"
    return named
