"""Published episodes of sentences: support, query and types are fixed, nothing is sampled."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from metamann.data.sentences.store import PARTS, Sentence
from metamann.data.sentences.tags import Scheme, TagError, read_tags
from metamann.errors import DataError


class FixedEpisode(NamedTuple):
    """One task.

    Attributes:
        support: sentences with labels, to learn from.
        query: sentences to answer.
        types: of the task, in the order of the file or sorted.
    """

    support: tuple[Sentence, ...]
    query: tuple[Sentence, ...]
    types: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FixedEpisodeStore:
    """The episodes of one split.

    Attributes:
        name: in errors and reports, such as `snips/1shot/fold1/test`.
        episodes: in the order of their file.
        labelled: whether the queries have labels that score the answers; false for a user's sentences without labels.

    Examples:
        >>> from metamann.data.sentences.store import Span
        >>> ada, grace = (Sentence((name, "codes"), (Span(0, 1, "person"),)) for name in ("Ada", "Grace"))
        >>> FixedEpisodeStore("toy", (FixedEpisode((ada,), (grace,), ("person",)),)).lexicon
        ('Ada', 'Grace', 'codes')
    """

    name: str
    episodes: tuple[FixedEpisode, ...]
    labelled: bool = True

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types of all episodes, sorted."""
        return tuple(sorted({type_ for episode in self.episodes for type_ in episode.types}))

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of all supports and queries; a query that episodes share counts once."""
        parts = {id(part): part for episode in self.episodes for part in (episode.support, episode.query)}
        return tuple(sentence for part in parts.values() for sentence in part)

    @cached_property
    def lexicon(self) -> tuple[str, ...]:
        """The distinct words, sorted."""
        return tuple(sorted({token for sentence in self.sentences for token in sentence.tokens}))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over words, spans and types."""
        digest = hashlib.sha256()
        for episode in self.episodes:
            digest.update(repr(episode).encode())
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class FixedEpisodeSplits:
    """The three splits of a set of published episodes; a split of which nothing was published is empty.

    Attributes:
        name: the data set and how it was split, such as `snips/1shot/fold1`.
        train: episodes for meta-training.
        val: episodes for every choice.
        test: episodes for reported results.
        notes: observations and decisions of the reader, one line for each.
        audited: names of the checks of an audit.
        disjoint_types: always false, because splits are by domain.
        shared_by: the kind of data whose splits share types, in words.

    Examples:
        >>> splits = fixed_splits("toy", test=[FixedEpisode((), (Sentence(("Ada",), ()),), ())])
        >>> len(splits.split("train").episodes), len(splits.split("test").episodes)
        (0, 1)
    """

    audited: ClassVar[tuple[str, ...]] = ("types", "texts")
    disjoint_types: ClassVar[bool] = False
    shared_by: ClassVar[str] = "published episodes, split by domain"

    name: str
    train: FixedEpisodeStore
    val: FixedEpisodeStore
    test: FixedEpisodeStore
    notes: tuple[str, ...] = ()

    def split(self, name: str) -> FixedEpisodeStore:
        """The split of this name.

        Raises:
            DataError: if there is none.
        """
        if name not in PARTS:
            raise DataError(f"there is no split '{name}'; choose train, val or test.")
        store: FixedEpisodeStore = getattr(self, name)
        return store


def fixed_splits(name: str, **episodes: Sequence[FixedEpisode]) -> FixedEpisodeSplits:
    """Splits of the episodes of each part; parts that are left out are empty."""
    train, val, test = (FixedEpisodeStore(f"{name}/{part}", tuple(episodes.get(part, ()))) for part in PARTS)
    return FixedEpisodeSplits(name, train, val, test)


def tagged_sentences(where: str, words: Any, tags: Any, scheme: Scheme) -> tuple[Sentence, ...]:
    """Sentences from JSON: a list of words and a list of tags for each.

    Args:
        where: file and place, for errors.
        words: `sentences x words` strings.
        tags: `sentences x words` strings.
        scheme: of the tags.

    Raises:
        DataError: if they are not such lists, or tags are not of the scheme.
    """
    if not _are_rows(words) or not _are_rows(tags) or [*map(len, words)] != [*map(len, tags)]:
        raise DataError(f"{where}: words and labels must be lists of the same lengths; replace the file.")
    try:
        return tuple(
            Sentence(tuple(tokens), read_tags(row, scheme).spans) for tokens, row in zip(words, tags, strict=True)
        )
    except TagError as error:
        raise DataError(f"{where}: {error}; replace the file.") from error


def _are_rows(rows: Any) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, list) and all(isinstance(cell, str) and cell for cell in row) for row in rows
    )
