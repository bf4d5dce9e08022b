"""Sequences of bits: batches of them, the random bits that they are drawn from, and their source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.episode import PADDING
from metamann.episodes.seeds import Seeds
from metamann.episodes.source import Load, Source
from metamann.errors import EpisodeError

if TYPE_CHECKING:
    from metamann.episodes.sequences.algorithmic import SequenceTask


class Drawn(NamedTuple):
    """One sequence.

    Attributes:
        inputs: `steps x channels`, float32.
        answers: `steps x bits`, 0 or 1, `PADDING` at steps that ask for none.
    """

    inputs: np.ndarray
    answers: np.ndarray


class Sequences(NamedTuple):
    """A batch of sequences, padded to the longest.

    Attributes:
        inputs: `batch x steps x channels`, float.
        answers: `batch x steps x bits`, 0 or 1, `PADDING` at steps that ask for none.
        mask: `batch x steps`, false after the end of a sequence.
    """

    inputs: Tensor
    answers: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Sequences:
        """The same batch on another device."""
        return Sequences(*(tensor.to(device) for tensor in self))

    def part(self, start: int, stop: int) -> Sequences:
        """Sequences `start` to `stop - 1`, padded as they are."""
        return Sequences(*(tensor[start:stop] for tensor in self))

    @property
    def targets(self) -> Tensor:
        """The bits that predictions are judged by, `batch x (steps * bits)`."""
        return self.answers.flatten(1)


@dataclasses.dataclass(frozen=True)
class RandomBits:
    """The store of sequences: nothing is read, and each split has bits of its own under the same seed.

    Attributes:
        split: `train`, `val` or `test`.

    Raises:
        EpisodeError: if the split is unknown.
    """

    split: str

    def __post_init__(self) -> None:
        """Refuse an unknown split."""
        if self.split not in ("train", "val", "test"):
            raise EpisodeError(f"there is no split '{self.split}'; choose train, val or test.")

    @property
    def name(self) -> str:
        """What errors and reports call it."""
        return f"random bits/{self.split}"

    @property
    def fingerprint(self) -> str:
        """The split: nothing else tells the bits of two stores apart."""
        return self.split


class SequenceSource(Source[Drawn, Sequences]):
    """Sequences of one task; a plan is the sequence itself.

    Args:
        store: of which split.
        protocol: what a sequence is.

    Raises:
        EpisodeError: if the settings make no sequence.
    """

    arrays: ClassVar[Mapping[str, type]] = {"inputs": np.float32, "answers": np.int64, "mask": np.bool_}
    store: RandomBits
    protocol: SequenceTask

    def __init__(self, store: RandomBits, protocol: SequenceTask) -> None:
        protocol.check()
        super().__init__(store, protocol)

    def header(self) -> dict[str, object]:
        """Task and split."""
        return {"protocol": self.protocol.describe(), "split": self.store.split}

    def seeds(self, seed: int) -> Seeds:
        """Of task and split; there are no codes to be told apart from."""
        return Seeds.of([self.protocol.describe(), self.store.split], seed, purposes=False)

    def draw(self, index: int, rng: np.random.Generator) -> Drawn:
        """One sequence, whatever its index."""
        return self.protocol.draw(rng)

    def codes(self, rng: np.random.Generator) -> np.ndarray:
        """None: sequences have no labels."""
        return np.zeros((0, 0), np.float32)

    def fetch(self, plans: Sequence[Drawn], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> Sequences:
        """The sequences as a batch, padded to the longest of them; see `Sampler.fetch`. No rows stand for bits."""
        assert rows is None
        lengths = np.array([len(each.inputs) for each in plans])
        mask = np.arange(lengths.max()) < lengths[:, None]
        inputs = np.zeros((*mask.shape, self.protocol.channels), np.float32)
        answers = np.full((*mask.shape, self.protocol.bits), PADDING)
        inputs[mask] = np.concatenate([each.inputs for each in plans])
        answers[mask] = np.concatenate([each.answers for each in plans])
        return Sequences(torch.from_numpy(inputs), torch.from_numpy(answers), torch.from_numpy(mask))

    def positions(self, plans: Sequence[Drawn]) -> int:
        """Steps of a batch, padding counted."""
        return len(plans) * max(len(plan.inputs) for plan in plans)

    def pack(self, plans: Sequence[Drawn]) -> dict[str, np.ndarray]:
        """All sequences as one batch."""
        return {name: tensor.numpy() for name, tensor in self.fetch(plans, [])._asdict().items()}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> list[Drawn]:
        """The sequences without their padding; see `Source.unpack`."""
        inputs, answers, mask = (arrays[name] for name in self.arrays)
        if mask.ndim != 2 or any(each.shape[:-1] != mask.shape for each in (inputs, answers)):
            raise ValueError("its arrays do not fit")
        return [Drawn(ours[there], theirs[there]) for ours, theirs, there in zip(inputs, answers, mask, strict=True)]

    def class_ids(self, plan: Drawn) -> np.ndarray:
        """None: sequences have no classes."""
        return np.zeros(0, dtype=np.int64)

    def loads(self) -> list[Load]:
        """The vectors of the longest sequence."""
        return [Load(self.protocol.stored(), "vectors")]

    def batches(
        self, plans: Sequence[Drawn], codes: Callable[[int], np.ndarray], size: int, rows: Tensor | None = None
    ) -> Iterator[Sequences]:
        """As `Source.batches`, all padded to the longest sequence of all: sums of scores are the same in any batch."""
        whole = self.fetch(plans, [], rows)
        at_once = max(1, size // whole.mask.shape[1])
        for start in range(0, len(plans), at_once):
            yield whole.part(start, start + at_once)
