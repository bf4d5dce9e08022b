"""Sentences with typed spans held in memory: the internal form of every data set for named-entity recognition."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import cached_property
from typing import ClassVar, NamedTuple

from metamann.errors import DataError

PARTS = ("train", "val", "test")
PAIRS = (("train", "val"), ("train", "test"), ("val", "test"))


class Span(NamedTuple):
    """An entity: tokens `start` up to but not including `end`, and its type."""

    start: int
    end: int
    type: str


class Sentence(NamedTuple):
    """Tokens and the entities among them.

    Attributes:
        tokens: the words of the text.
        spans: sorted by their start; they do not overlap.

    Examples:
        >>> Sentence(("Ada", "Lovelace", "codes"), (Span(0, 2, "person"),)).spans[0].type
        'person'
    """

    tokens: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclasses.dataclass(frozen=True)
class SentenceStore:
    """The sentences of one split.

    Attributes:
        name: in errors and reports, such as `fewnerd/inter/test`.
        sentences: in the order of their files.
        labelled: always true; `FixedEpisodeStore` may hold sentences without labels.
        episodes: always None, because episodes are drawn from the sentences.

    Examples:
        >>> store = SentenceStore("toy", (Sentence(("Ada", "codes"), (Span(0, 1, "person"),)),))
        >>> store.types, store.lexicon
        (('person',), ('Ada', 'codes'))
    """

    labelled: ClassVar[bool] = True
    episodes: ClassVar[None] = None

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


@dataclasses.dataclass(frozen=True)
class SentenceSplits:
    """The three splits of a data set of sentences.

    Attributes:
        name: the data set and how it was split, such as `fewnerd/inter`.
        train: sentences for meta-training.
        val: sentences for every choice: checkpoints, hyper-parameters.
        test: sentences for reported results.
        disjoint_types: whether no type is in two splits, as for few-shot learning; false for supervised data, whose
            splits share their types.
        notes: observations and decisions of the reader, one line for each: tag schemes, broken tags, spans left out.
        audited: names of the checks of an audit.
        shared_by: the kind of data whose splits share types, in words.

    Raises:
        DataError: if the types must be disjoint and one is in two splits.

    Examples:
        >>> train, val, test = (
        ...     SentenceStore(type_, (Sentence(("Ada", "codes"), (Span(0, 1, type_),)),)) for type_ in ("a", "b", "c")
        ... )
        >>> SentenceSplits("toy", train, val, test).shared_texts["train", "test"]
        1
    """

    audited: ClassVar[tuple[str, ...]] = ("types", "texts")
    shared_by: ClassVar[str] = "supervised data"

    name: str
    train: SentenceStore
    val: SentenceStore
    test: SentenceStore
    disjoint_types: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the splits do not overlap."""
        for first, second in PAIRS if self.disjoint_types else ():
            shared = set(self.split(first).types) & set(self.split(second).types)
            if shared:
                raise DataError(
                    f"splits '{first}' and '{second}' of '{self.name}' share {len(shared)} types, such as "
                    f"'{min(shared)}'. Give every type to one split."
                )

    @cached_property
    def shared_texts(self) -> dict[tuple[str, str], int]:
        """Number of distinct texts that two splits share, by their names; published data sets share a few.

        Texts are compared with their case and without their spans.
        """
        texts = {name: {sentence.tokens for sentence in self.split(name).sentences} for name in PARTS}
        return {(first, second): len(texts[first] & texts[second]) for first, second in PAIRS}

    def split(self, name: str) -> SentenceStore:
        """The split of this name.

        Raises:
            DataError: if there is none.
        """
        if name not in PARTS:
            raise DataError(f"there is no split '{name}'; choose train, val or test.")
        store: SentenceStore = getattr(self, name)
        return store
