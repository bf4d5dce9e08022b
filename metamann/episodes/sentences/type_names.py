"""Names of entity types as words that an encoder can read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch

from metamann.episodes.text import NO_WORD, Text, number_words


class TypeNames:
    """The names of all types of a data set, indexed once.

    Args:
        types: such as `person-artist/author`, which has three words.

    Examples:
        >>> text = TypeNames(["city", "person-artist"]).text([np.array([1, 0])])
        >>> text.identities()
        [['person artist', 'city']]
    """

    def __init__(self, types: Sequence[str]) -> None:
        names = [words_of(name) for name in types]
        self._lexicon = tuple(sorted({word for name in names for word in name}))
        longest = max(map(len, names), default=0)
        # the last row stands for types that an episode does not have
        self._words = np.full((len(names) + 1, longest), NO_WORD, dtype=np.int64)
        for row, name in enumerate(names):
            self._words[row, : len(name)] = number_words([name], self._lexicon)

    def text(self, types: Sequence[np.ndarray]) -> Text:
        """The names of the types of each episode, `batch x types x length`, padded to the most and the longest.

        Args:
            types: type numbers of each episode, in the order of its classes.
        """
        rows = np.full((len(types), max(map(len, types), default=0)), len(self._words) - 1)
        for episode, numbers in enumerate(types):
            rows[episode, : len(numbers)] = numbers
        return Text(torch.from_numpy(self._words[rows]), self._lexicon)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, separated by anything but letters and digits; the name itself if it has none."""
    return tuple(re.findall(r"[^\W_]+", name)) or (name,)
