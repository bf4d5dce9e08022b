"""Tokens of a text with their positions: one simple rule for every script.

A word is a run of letters, digits and underscores; any other visible character is a token of its own. Combining marks,
joiners and the skin tones of emoji belong to the token before them, and what follows a zero-width joiner does too: no
accent, no vowel sign and no emoji is torn from its base. Scripts that write no blanks between words, Chinese, Japanese,
Thai, Lao, Khmer and Burmese, give one token a character with its marks; their digits and words of other scripts among
them stay whole. Korean has blanks and is cut at them.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

JOINER = "\u200d"
SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
# what follows them is written below them: Khmer coeng, Myanmar virama
STACKERS = "\u17d2\u1039"
# letters by category, marks by use: Thai and Lao am, the voicing marks of half-width kana
MARKS = "\u0e33\u0eb3\uff9e\uff9f"
# first and last character of blocks without blanks between words
BLOCKS = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Myanmar
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3005", "\u3007"),  # iteration mark, closing mark, zero
    ("\u3021", "\u3029"),
    ("\u3031", "\u3035"),
    ("\u3038", "\u303c"),
    ("\u3041", "\u312f"),  # Hiragana, Katakana, Bopomofo
    ("\u31a0", "\u31bf"),
    ("\u31f0", "\u31ff"),
    ("\u3400", "\u4dbf"),  # Han
    ("\u4e00", "\u9fff"),
    ("\ua9e0", "\ua9ff"),  # Myanmar, extended
    ("\uaa60", "\uaa7f"),
    ("\uf900", "\ufaff"),  # Han, compatibility forms
    ("\uff66", "\uff9f"),  # half-width Katakana
    ("\U0001aff0", "\U0001b16f"),  # Kana, extended
    ("\U00020000", "\U0003ffff"),  # Han, extended
)
FIRST = [first for first, _ in BLOCKS]


def tokenise(text: str) -> list[tuple[int, int]]:
    """First character of every token and the one past its last, numbered by code points; white space is in none."""
    tokens: list[tuple[int, int]] = []
    word, end = False, -1  # of the token before: can a letter go on with it, where does it end
    for position, character in enumerate(text):
        if character.isspace():
            continue
        touches = end == position
        belongs = touches and belongs_to_previous(text, position)
        is_word = (character.isalnum() or character == "_") and not _is_sign(character)
        if belongs or (touches and word and is_word):
            tokens[-1] = (tokens[-1][0], position + 1)
        else:
            tokens.append((position, position + 1))
        word = is_word or (word and touches and _extends(character))
        end = position + 1
    return tokens


def belongs_to_previous(text: str, position: int) -> bool:
    """Whether a character belongs to the one before it, such as a combining mark.

    Marks (M), formatting signs such as joiners (Cf) and skin tones say something about what stands before them, and
    what follows a joiner or a stacking sign belongs to it.
    """
    if position == 0 or text[position].isspace() or text[position - 1].isspace():
        return False
    before, character = text[position - 1], text[position]
    return _extends(character) or before == JOINER or (before in STACKERS and character.isalpha())


def _extends(character: str) -> bool:
    if character.isascii():
        return False
    category = unicodedata.category(character)
    extends = category[0] == "M" or category == "Cf" or SKIN_TONES[0] <= character <= SKIN_TONES[1]
    return extends or character in MARKS


def _is_sign(character: str) -> bool:
    """Whether a letter is of a script without blanks between words."""
    if character < BLOCKS[0][0]:
        return False
    block = bisect_right(FIRST, character) - 1
    return character <= BLOCKS[block][1] and unicodedata.category(character) != "Nd"
