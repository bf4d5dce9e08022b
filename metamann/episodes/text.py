"""Sentences as a batch of word numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.errors import EpisodeError

NO_WORD = -1


class Text(NamedTuple):
    """The sentences of a batch of episodes, with the methods of a tensor that take a batch apart.

    Attributes:
        words: `batch x sentences x length`, int64 numbers of `lexicon`, `NO_WORD` after the last word of a sentence,
            and everywhere in a sentence that is padding.
        lexicon: the distinct words of the data set; shared by all its batches, never copied.

    Examples:
        >>> text = Text.of([["call", "Ada"], ["stop"]], lexicon=("Ada", "call", "stop"))
        >>> text.words
        tensor([[[ 1,  0],
                 [ 2, -1]]])
        >>> text.lengths()
        tensor([[2, 1]])
    """

    words: Tensor
    lexicon: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]], lexicon: tuple[str, ...]) -> Text:
        """One episode of these sentences, `1 x sentences x length`.

        Args:
            sentences: the words of each sentence.
            lexicon: holds all of these words.

        Raises:
            EpisodeError: if a word is not in the lexicon.
        """
        flat = torch.from_numpy(number_words(sentences, lexicon))
        sizes = torch.tensor([len(sentence) for sentence in sentences], dtype=torch.int64)
        inside = torch.arange(int(sizes.max()) if len(sizes) else 0) < sizes.unsqueeze(1)
        words = torch.full(inside.shape, NO_WORD)
        words[inside] = flat
        return cls(words.unsqueeze(0), lexicon)

    def to(self, device: torch.device) -> Text:
        """The same sentences on another device."""
        return Text(self.words.to(device), self.lexicon)

    def split(self, size: int) -> tuple[Text, ...]:
        """The sentences of every `size` episodes, as a tensor of items is split."""
        return tuple(Text(words, self.lexicon) for words in torch.split(self.words, size))

    def present(self) -> Tensor:
        """True where there is a word, `batch x sentences x length`."""
        return self.words != NO_WORD

    def lengths(self) -> Tensor:
        """Words of each sentence, `batch x sentences`; 0 for padding."""
        return self.present().sum(-1)

    @property
    def shape(self) -> torch.Size:
        """`batch x sentences x length`."""
        return self.words.shape

    def narrow(self, axis: int, start: int, length: int) -> Text:
        """`length` episodes or sentences from `start` on, cut to the longest sentence of them."""
        words = self.words.narrow(axis, start, length)
        longest = int((words != NO_WORD).sum(-1).max()) if words.numel() else 0
        return Text(words[:, :, :longest], self.lexicon)

    def index_select(self, axis: int, index: Tensor) -> Text:
        """Episodes or sentences of these numbers, padded as they are."""
        return Text(self.words.index_select(axis, index), self.lexicon)

    def identities(self) -> list[list[str]]:
        """The words of each sentence of each episode; an empty string for padding."""
        return [
            [" ".join(self.lexicon[word] for word in sentence[sentence != NO_WORD].tolist()) for sentence in episode]
            for episode in self.words
        ]


def number_words(sentences: Iterable[Sequence[str]], lexicon: tuple[str, ...]) -> np.ndarray:
    """Numbers of all words, those of the sentences concatenated, `words`, int64.

    Raises:
        EpisodeError: if a word is not in the lexicon.
    """
    number_of = {word: number for number, word in enumerate(lexicon)}
    try:
        return np.array([number_of[word] for sentence in sentences for word in sentence], dtype=np.int64)
    except KeyError as error:
        raise EpisodeError(f"the lexicon does not have the word {error}; build it from these sentences.") from error
