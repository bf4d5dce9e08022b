"""Sentences as flat arrays of numbers, indexed once: one gather makes the words of a batch, another its tags."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from metamann.data.sentences.store import Sentence
from metamann.episodes.episode import PADDING
from metamann.episodes.sentences.tagging import TagScheme, number_tags
from metamann.episodes.text import NO_WORD, Text, number_words


@dataclasses.dataclass(frozen=True)
class SentenceTable:
    """Words, entities and texts of sentences by number.

    Attributes:
        lexicon: the distinct words.
        types: names of the entity types.
        first: `sentences + 1` offsets; sentence s has tokens `first[s]` to `first[s + 1] - 1`.
        words: `tokens`, numbers of the lexicon.
        token_types: `tokens`, numbers of the types, -1 outside of entities.
        begins: `tokens`, true at the first token of an entity.
        texts: `sentences`, equal numbers where the words are equal, ignoring case.

    Examples:
        >>> from metamann.data.sentences.store import Span
        >>> sentence = Sentence(("Ada", "codes"), (Span(0, 1, "person"),))
        >>> table = SentenceTable.of([sentence], lexicon=("Ada", "codes"), types=("person",))
        >>> table.tags([np.array([0])], types=[np.array([0])], scheme="io")
        tensor([[[1, 0]]])
    """

    lexicon: tuple[str, ...]
    types: tuple[str, ...]
    first: np.ndarray
    words: np.ndarray
    token_types: np.ndarray
    begins: np.ndarray
    texts: np.ndarray

    @classmethod
    def of(cls, sentences: Sequence[Sentence], lexicon: tuple[str, ...], types: tuple[str, ...]) -> SentenceTable:
        """Index sentences whose words are in the lexicon, and whose entities are of these types."""
        sizes = [len(sentence.tokens) for sentence in sentences]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        type_number = {name: number for number, name in enumerate(types)}
        token_types = np.full(first[-1], -1)
        begins = np.zeros(first[-1], dtype=bool)
        text_numbers: dict[tuple[str, ...], int] = {}
        texts = np.empty(len(sentences), dtype=np.int64)
        for row, (tokens, spans) in enumerate(sentences):
            texts[row] = text_numbers.setdefault(tuple(map(str.casefold, tokens)), len(text_numbers))
            for start, end, name in spans:
                token_types[first[row] + start : first[row] + end] = type_number[name]
                begins[first[row] + start] = True
        words = number_words([sentence.tokens for sentence in sentences], lexicon)
        return cls(lexicon, types, first, words, token_types, begins, texts)

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.texts)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Tokens of each sentence, `sentences`."""
        return np.diff(self.first)

    def entities(self, scheme: TagScheme) -> np.ndarray:
        """Entities of each type in each sentence, `sentences x types`; under `io`, adjacent ones of a type are one."""
        row = np.repeat(np.arange(len(self)), self.sizes)
        starts = self.begins.copy()
        if scheme == "io":
            starts[1:] &= (self.token_types[1:] != self.token_types[:-1]) | (row[1:] != row[:-1])
        counts = np.zeros((len(self), len(self.types)), dtype=np.int64)
        np.add.at(counts, (row[starts], self.token_types[starts]), 1)
        return counts

    def text(self, rows: Sequence[np.ndarray]) -> Text:
        """The sentences of a batch of episodes, padded to the largest number of sentences and to the longest one.

        Args:
            rows: sentence numbers of each episode.
        """
        tokens, inside = self._tokens(rows)
        return Text(torch.from_numpy(np.where(inside, self.words[tokens], NO_WORD)), self.lexicon)

    def tags(self, rows: Sequence[np.ndarray], types: Sequence[np.ndarray], scheme: TagScheme) -> Tensor:
        """Tag numbers of the same sentences, `batch x sentences x length`, padded with `PADDING`.

        Args:
            rows: sentence numbers of each episode.
            types: type numbers of each episode's classes, in the order of the classes; other types are tagged O.
            scheme: of the tags.
        """
        tokens, inside = self._tokens(rows)
        # the last column stands for tokens outside of entities, whose type is -1
        class_of = np.full((len(rows), len(self.types) + 1), -1)
        for episode, numbers in enumerate(types):
            class_of[episode, numbers] = np.arange(len(numbers))
        classes = class_of[np.arange(len(rows))[:, None, None], self.token_types[tokens]]
        return torch.from_numpy(np.where(inside, number_tags(scheme, classes, self.begins[tokens]), PADDING))

    def _tokens(self, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Token numbers, `batch x sentences x length`, 0 for padding, and a mask of the tokens."""
        sentences = max(map(len, rows), default=0)
        first, sizes = np.zeros((2, len(rows), sentences), dtype=np.int64)
        for episode, numbers in enumerate(rows):
            first[episode, : len(numbers)] = self.first[numbers]
            sizes[episode, : len(numbers)] = self.sizes[numbers]
        steps = np.arange(sizes.max() if sizes.size else 0)
        inside = steps < sizes[..., None]
        return np.where(inside, first[..., None] + steps, 0), inside
