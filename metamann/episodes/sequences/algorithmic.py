"""Algorithmic tasks on random bits, for memories alone: no images, no labels, no files.

A sequence presents its bits step by step, with marks on channels of their own. The answer is due at the blank steps
after them, when the inputs are no longer visible.

References:
    [G14] Graves, Wayne and Danihelka, Neural Turing Machines, 2014, sections 4.1 to 4.3.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from metamann.episodes import ranges
from metamann.episodes.episode import PADDING
from metamann.episodes.sequences.source import Drawn, RandomBits, SequenceSource
from metamann.errors import EpisodeError

# mean and deviation of a number from 1 to 10, the paper's repeats: fixed, so that other ranges keep the same scale
REPEATS_MEAN, REPEATS_DEVIATION = 5.5, math.sqrt(8.25)


class SequenceTask(ABC):
    """What a sampler and a learner need of a task.

    Attributes:
        width: bits of a vector.
    """

    width: int

    @property
    @abstractmethod
    def channels(self) -> int:
        """Width of the inputs."""

    @property
    def bits(self) -> int:
        """Width of the answers, that of a vector."""
        return self.width

    @abstractmethod
    def stored(self) -> int:
        """The largest number of vectors that a memory has to hold."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""

    @abstractmethod
    def check(self) -> None:
        """Refuse settings that make no sequence."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw one sequence."""

    def source(self, store: RandomBits) -> SequenceSource:
        """Sequences of a split; settings that make no sequence are refused."""
        return SequenceSource(store, self)

    def code_width(self) -> int:
        """None: sequences have no labels."""
        return 0


@dataclasses.dataclass(frozen=True)
class Copy(SequenceTask):
    """Repeat the inputs [G14, section 4.1]: vectors, the end mark, then a blank step for each vector.

    Attributes:
        lengths: vectors of a sequence, a number or a range `[low, high]` to draw from.
        width: bits of a vector.

    Examples:
        >>> sequence = Copy(lengths=2, width=3).draw(np.random.default_rng(0))
        >>> sequence.inputs[:2, :3].astype(int)
        array([[1, 1, 1],
               [0, 0, 0]])
        >>> sequence.answers[-2:]
        array([[1, 1, 1],
               [0, 0, 0]])
    """

    lengths: int | Sequence[int] = (1, 20)
    width: int = 8

    @property
    def channels(self) -> int:
        """The bits and the end mark."""
        return self.width + 1

    def stored(self) -> int:
        """Those of the longest sequence."""
        return ranges.ends(self.lengths)[1]

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {"name": "copy", "lengths": ranges.plain(self.lengths), "width": self.width}

    def check(self) -> None:
        """Refuse settings that make no sequence.

        Raises:
            EpisodeError: with the setting's name.
        """
        ranges.check("protocol.lengths", self.lengths)
        ranges.check("protocol.width", self.width, ranged=False)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw one sequence, `2 length + 1` steps."""
        vectors = _vectors(ranges.draw(self.lengths, rng), self.width, rng)
        mark = _mark(self.channels, {self.width: 1})
        return _sequence([_on_channels(vectors, self.channels), mark], vectors)


@dataclasses.dataclass(frozen=True)
class RepeatCopy(SequenceTask):
    """Repeat the inputs several times and then mark the end [G14, section 4.2].

    The end mark comes with the number of repeats, scaled to mean 0 and deviation 1, on a channel of its own. The
    answers have one bit more than the vectors: 1 at the last step, after all repeats.

    Attributes:
        lengths: vectors of a sequence, a number or a range `[low, high]` to draw from.
        repeats: number of repeats, or a range.
        width: bits of a vector.

    Examples:
        >>> sequence = RepeatCopy(lengths=2, repeats=3, width=4).draw(np.random.default_rng(0))
        >>> sequence.inputs.shape, sequence.answers.shape  # 2 + 1 + 2 * 3 + 1 steps
        ((10, 6), (10, 5))
    """

    lengths: int | Sequence[int] = (1, 10)
    repeats: int | Sequence[int] = (1, 10)
    width: int = 8

    @property
    def channels(self) -> int:
        """The bits, the end mark and the number of repeats."""
        return self.width + 2

    @property
    def bits(self) -> int:
        """Those of a vector and the end bit."""
        return self.width + 1

    def stored(self) -> int:
        """Those of the longest sequence, for any number of repeats."""
        return ranges.ends(self.lengths)[1]

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        return {
            "name": "repeat_copy",
            "lengths": ranges.plain(self.lengths),
            "repeats": ranges.plain(self.repeats),
            "width": self.width,
        }

    def check(self) -> None:
        """Refuse settings that make no sequence.

        Raises:
            EpisodeError: with the setting's name.
        """
        ranges.check("protocol.lengths", self.lengths)
        ranges.check("protocol.repeats", self.repeats)
        ranges.check("protocol.width", self.width, ranged=False)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw one sequence, `length + 1 + length * repeats + 1` steps."""
        vectors = _vectors(ranges.draw(self.lengths, rng), self.width, rng)
        repeats = ranges.draw(self.repeats, rng)
        scaled = (repeats - REPEATS_MEAN) / REPEATS_DEVIATION
        mark = _mark(self.channels, {self.width: 1, self.width + 1: scaled})
        answers = np.zeros((len(vectors) * repeats + 1, self.bits), np.int64)
        answers[:-1, : self.width] = np.tile(vectors, (repeats, 1))
        answers[-1, self.width] = 1
        return _sequence([_on_channels(vectors, self.channels), mark], answers)


@dataclasses.dataclass(frozen=True)
class AssociativeRecall(SequenceTask):
    """A list of items, then one of them as the query: the answer is the next item of the list [G14, section 4.3].

    A mark stands before each item; another one before and after the query.

    Attributes:
        items: number of items of a list, at least 2, or a range `[low, high]` to draw from.
        vectors: of an item.
        width: bits of a vector.

    Examples:
        >>> sequence = AssociativeRecall(items=2, vectors=3, width=6).draw(np.random.default_rng(0))
        >>> sequence.inputs.shape  # (2 + 1) * (3 + 1) + 1 + 3 steps
        (16, 8)
    """

    items: int | Sequence[int] = (2, 6)
    vectors: int = 3
    width: int = 6

    @property
    def channels(self) -> int:
        """The bits, the mark of items and the mark of the query."""
        return self.width + 2

    def stored(self) -> int:
        """Those of the longest list."""
        return ranges.ends(self.items)[1] * self.vectors

    def describe(self) -> dict[str, object]:
        """Name and settings, to be printed beside every number."""
        items = ranges.plain(self.items)
        return {"name": "associative_recall", "items": items, "vectors": self.vectors, "width": self.width}

    def check(self) -> None:
        """Refuse settings that make no sequence.

        Raises:
            EpisodeError: with the setting's name.
        """
        ranges.check("protocol.items", self.items)
        ranges.check("protocol.vectors", self.vectors, ranged=False)
        ranges.check("protocol.width", self.width, ranged=False)
        if ranges.ends(self.items)[0] < 2:
            raise EpisodeError(f"protocol.items={self.items} must be at least 2: the query and the item after it.")

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw one sequence, `(items + 1) (vectors + 1) + 1 + vectors` steps."""
        items = [_vectors(self.vectors, self.width, rng) for _ in range(ranges.draw(self.items, rng))]
        cue = int(rng.integers(len(items) - 1))  # the item that is the query
        item_mark, query_mark = (_mark(self.channels, {self.width + channel: 1}) for channel in (0, 1))
        listed = [part for item in items for part in (item_mark, _on_channels(item, self.channels))]
        query = [query_mark, _on_channels(items[cue], self.channels), query_mark]
        return _sequence([*listed, *query], items[cue + 1])


def _vectors(number: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 2, (number, width))


def _on_channels(vectors: np.ndarray, channels: int) -> np.ndarray:
    """Vectors on the first channels, zeros on the others."""
    return np.pad(vectors, ((0, 0), (0, channels - vectors.shape[1])))


def _mark(channels: int, values: dict[int, float]) -> np.ndarray:
    """A step with these values on these channels."""
    step = np.zeros((1, channels), np.float32)
    step[0, list(values)] = list(values.values())
    return step


def _sequence(parts: list[np.ndarray], answers: np.ndarray) -> Drawn:
    """The parts of the input, then a blank step for each answer."""
    inputs = np.concatenate(parts).astype(np.float32)
    return Drawn(
        np.pad(inputs, ((0, len(answers)), (0, 0))),
        np.pad(answers, ((len(inputs), 0), (0, 0)), constant_values=PADDING),
    )
