"""Words and other signs of a text, with their places: one simple rule for every script.

A word is a run of letters, digits and underscores; any other visible character is a token of its own. Combining marks,
joiners and the skin tones of emoji belong to the token before them, and what follows a zero-width joiner does too: no
accent, no vowel sign and no emoji is torn from its base. Scripts without blanks give one token a run.
"""

from __future__ import annotations

import unicodedata

JOINER = "\u200d"
SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")


def tokenise(text: str) -> list[tuple[int, int]]:
    """First character of every token and the one past its last, numbered by code points; white space is in none."""
    tokens: list[tuple[int, int]] = []
    word, end = False, -1  # of the token before: is it a word, where does it end
    for position, character in enumerate(text):
        if character.isspace():
            continue
        touches = end == position
        is_word = character.isalnum() or character == "_"
        extends = _extends(character)
        if touches and (extends or text[position - 1] == JOINER or (word and is_word)):
            tokens[-1] = (tokens[-1][0], position + 1)
        else:
            tokens.append((position, position + 1))
        word = is_word or (word and touches and extends)
        end = position + 1
    return tokens


def _extends(character: str) -> bool:
    """Marks (M), formatting signs such as joiners (Cf) and skin tones say something about what stands before them."""
    if character.isascii():
        return False
    category = unicodedata.category(character)
    return category[0] == "M" or category == "Cf" or SKIN_TONES[0] <= character <= SKIN_TONES[1]
