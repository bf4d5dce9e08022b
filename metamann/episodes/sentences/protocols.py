"""What every protocol of sentences answers, and what their sources share. A plan is numbers only, no text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.data.sentences.fixed_episodes import FixedEpisodeStore
from metamann.data.sentences.store import SentenceStore
from metamann.episodes.episode import Classes, Episode, Examples
from metamann.episodes.label_codes import LabelCodes
from metamann.episodes.sentences.table import SentenceTable
from metamann.episodes.sentences.tagging import TagScheme, n_tags
from metamann.episodes.sentences.type_names import TypeNames
from metamann.episodes.source import Load, Source
from metamann.episodes.task_files import LARGEST


class SentencePlan(NamedTuple):
    """One episode as numbers.

    Attributes:
        support: `sentences`, rows of the table, in random order.
        query: `sentences`, rows of the table.
        types: `classes`, type numbers of the table in the order of the class numbers, which is random.
    """

    support: np.ndarray
    query: np.ndarray
    types: np.ndarray


class SentenceProtocol(ABC):
    """Settings of episodes of sentences.

    Attributes:
        scheme: how tags are numbered.
        codes: the vectors that stand for tags.
    """

    scheme: TagScheme
    codes: LabelCodes

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""

    @abstractmethod
    def source(self, store: SentenceStore | FixedEpisodeStore) -> SentenceSource:
        """Index a store; refuse one that cannot give such episodes."""

    @abstractmethod
    def code_width(self) -> int:
        """Width of the codes of tags."""

    def with_types(self, types: Sequence[str]) -> SentenceProtocol:
        """The protocol for training data with these types: itself, unless it tags the same types in every episode."""
        return self


class SentenceSource(Source[SentencePlan, Episode]):
    """Sentences of a store, indexed once.

    Args:
        store: sentences to draw from, or published episodes.
        protocol: settings, checked.
        table: of the sentences that plans refer to.
    """

    arrays: ClassVar[Mapping[str, type]] = dict.fromkeys(("sizes", *SentencePlan._fields), np.int64)
    store: SentenceStore | FixedEpisodeStore
    protocol: SentenceProtocol

    def __init__(
        self, store: SentenceStore | FixedEpisodeStore, protocol: SentenceProtocol, table: SentenceTable
    ) -> None:
        super().__init__(store, protocol)
        self.table, self._names = table, TypeNames(table.types)

    @property
    @abstractmethod
    def max_ways(self) -> int:
        """Classes of the largest episode."""

    def codes(self, rng: np.random.Generator) -> np.ndarray:
        """Codes of the tags, `tags x width`."""
        return self.protocol.codes.draw(n_tags(self.protocol.scheme, self.max_ways), rng)

    def fetch(self, plans: Sequence[SentencePlan], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> Episode:
        """Words and tags of planned episodes; see `Sampler.fetch`. Rows cannot replace sentences."""
        assert rows is None
        scheme, types = self.protocol.scheme, [plan.types for plan in plans]
        support, query = (
            Examples(self.table.text(numbers), self.table.tags(numbers, types, scheme))
            for numbers in ([plan.support for plan in plans], [plan.query for plan in plans])
        )
        ways = [n_tags(scheme, len(numbers)) for numbers in types]
        classes = Classes(torch.tensor(ways), torch.from_numpy(np.stack(codes)), self._names.text(types))
        return Episode(support, query, classes)

    def positions(self, plans: Sequence[SentencePlan]) -> int:
        """Sentences of a batch, padding counted."""
        return len(plans) * sum(max(len(plan[part]) for plan in plans) for part in (0, 1))

    def pack(self, plans: Sequence[SentencePlan]) -> dict[str, np.ndarray]:
        """Each part of the plans, concatenated over episodes, and `sizes`, `episodes x parts`."""
        sizes = np.array([[len(part) for part in plan] for plan in plans], dtype=np.int64)
        parts = (np.concatenate(part).astype(np.int64) for part in zip(*plans, strict=True))
        return {"sizes": sizes, **dict(zip(SentencePlan._fields, parts, strict=True))}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> list[SentencePlan]:
        """The parts of each episode; see `Source.unpack`."""
        sizes, *parts = (arrays[name] for name in self.arrays)
        fits = (
            sizes.shape[1:] == (len(parts),)
            and len(sizes) > 0
            and bool((sizes >= 0).all() and (sizes <= LARGEST).all())
            and bool((sizes[:, 1:] > 0).all())  # supervised sentences have no support
            and all(part.shape == (total,) for part, total in zip(parts, sizes.sum(0), strict=True))
        )
        if not fits:
            raise ValueError("its arrays do not fit")
        split = [np.split(part, sizes[:, which].cumsum()[:-1]) for which, part in enumerate(parts)]
        return list(map(SentencePlan, *split))

    def class_ids(self, plan: SentencePlan) -> np.ndarray:
        """Type numbers of the table."""
        return plan.types

    def loads(self) -> list[Load]:
        """Its classes; the words of a class may share a slot."""
        return [Load(self.max_ways, "classes")]
