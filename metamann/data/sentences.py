"""Sentences with typed spans held in memory: the one internal form of every data set for named-entity recognition."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import cached_property
from typing import NamedTuple


class Span(NamedTuple):
    """An entity: tokens `start` up to, not with, `end`, and its type."""

    start: int
    end: int
    type: str


class Sentence(NamedTuple):
    """Tokens and the entities among them.

    Attributes:
        tokens: the words, as they stand in the text.
        spans: sorted by their start; they do not overlap.
    """

    tokens: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclasses.dataclass(frozen=True)
class SentenceStore:
    """The sentences of one split.

    Attributes:
        name: what errors and reports call it, such as `fewnerd/inter/test`.
        sentences: in the order of their files.
    """

    name: str
    sentences: tuple[Sentence, ...]

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types of all spans, sorted."""
        return tuple(sorted({span.type for sentence in self.sentences for span in sentence.spans}))

    @cached_property
    def lexicon(self) -> tuple[str, ...]:
        """The distinct words, sorted."""
        return tuple(sorted({token for sentence in self.sentences for token in sentence.tokens}))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over words and spans: the same data give the same episodes."""
        digest = hashlib.sha256()
        for sentence in self.sentences:
            digest.update(repr(sentence).encode())
        return digest.hexdigest()
