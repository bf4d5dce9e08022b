"""Sentences for the tests of encoders of text, and the sizes of their tiny pretrained models."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import strategies as st

from metamann.episodes.text import Text

POSITIONS, LAYERS, HIDDEN = 24, 3, 16

# any text at all, and characters that word pieces treat each in a way of its own
WORDS = st.text(max_size=6) | st.sampled_from(
    ["London", "playing-cards", "U.S.", "[SEP]", "\u0301", "e\u0301", "\u200d", "\x07", "", "😀", "👩‍🚀", "中文"]
)
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=6), min_size=1, max_size=4)


def text(*sentences: Sequence[str], length: int = 0, lexicon: tuple[str, ...] = ()) -> Text:
    """A batch of one episode; sentences are padded to `length` at least, words stand in `lexicon` or in their own."""
    lexicon = lexicon or tuple(sorted({word for sentence in sentences for word in sentence}))
    longest = max([length, *(len(sentence) for sentence in sentences)])
    number = {word: place for place, word in enumerate(lexicon)}
    rows = [[number[word] for word in sentence] + [-1] * (longest - len(sentence)) for sentence in sentences]
    return Text(torch.tensor([rows], dtype=torch.int64).view(1, len(rows), longest), lexicon)
