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
        answers: `steps x bits`, 0 or 1, `PADDING` at steps without an answer.
    """

    inputs: np.ndarray
    answers: np.ndarray


class Sequences(NamedTuple):
    """A batch of sequences, padded to the longest.

    Attributes:
        inputs: `batch x steps x channels`, float.
        answers: `batch x steps x bits`, 0 or 1, `PADDING` at steps without an answer.
        mask: `batch x steps`, false after the end of a sequence.

    Examples:
        >>> from metamann.episodes.sampler import Sampler
        >>> from metamann.episodes.sequences.algorithmic import Copy
        >>> sequences = Sampler(RandomBits("train"), Copy(lengths=[1, 3], width=4)).batch([0, 1])
        >>> sequences.inputs.shape, sequences.mask.sum(1)
        (torch.Size([2, 7, 5]), tensor([3, 7]))
    """

    inputs: Tensor
    answers: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Sequences:
        """The same batch on another device."""
        return Sequences(*(tensor.to(device) for tensor in self))

    def part(self, start: int, stop: int) -> Sequences:
        """Sequences `start` to `stop - 1`, with the same padding."""
        return Sequences(*(tensor[start:stop] for tensor in self))

    @property
    def targets(self) -> Tensor:
        """The bits that score the predictions, `batch x (steps * bits)`."""
        return self.answers.flatten(1)


@dataclasses.dataclass(frozen=True)
class RandomBits:
    """The store of sequences: no file is read, and the same seed gives different bits in each split.

    Attributes:
        split: `train`, `val` or `test`.

    Raises:
        EpisodeError: if the split is unknown.

    Examples:
        >>> RandomBits("test").name
        'random bits/test'
    """

    split: str

    def __post_init__(self) -> None:
        """Refuse an unknown split."""
        if self.split not in ("train", "val", "test"):
            raise EpisodeError(f"there is no split '{self.split}'; choose train, val or test.")

    @property
    def name(self) -> str:
        """The name in errors and reports."""
        return f"random bits/{self.split}"

    @property
    def fingerprint(self) -> str:
        """The split: stores differ in nothing else."""
        return self.split


class SequenceSource(Source[Drawn, Sequences]):
    """Sequences of one task; a plan is the sequence itself.

    Args:
        store: of which split.
        protocol: what a sequence is.

    Raises:
        EpisodeError: if the settings make no sequence.

    Examples:
        >>> from metamann.episodes.sequences.algorithmic import Copy
        >>> source = Copy(lengths=2, width=3).source(RandomBits("test"))
        >>> source.draw(0, np.random.default_rng(0)).inputs.shape  # 2 vectors, the end mark, 2 blank steps
        (5, 4)
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
        """Of task and split, with one stream, because there are no codes."""
        return Seeds.of([self.protocol.describe(), self.store.split], seed, purposes=False)

    def draw(self, index: int, rng: np.random.Generator) -> Drawn:
        """One sequence."""
        return self.protocol.draw(rng)

    def codes(self, rng: np.random.Generator) -> np.ndarray:
        """None: sequences have no labels."""
        return np.zeros((0, 0), np.float32)

    def fetch(self, plans: Sequence[Drawn], codes: Sequence[np.ndarray], rows: Tensor | None = None) -> Sequences:
        """The sequences as a batch, padded to the longest of them; see `Sampler.fetch`. Rows cannot replace bits."""
        assert rows is None
        lengths = np.array([len(plan.inputs) for plan in plans])
        mask = np.arange(lengths.max()) < lengths[:, None]
        inputs = np.zeros((*mask.shape, self.protocol.channels), np.float32)
        answers = np.full((*mask.shape, self.protocol.bits), PADDING)
        inputs[mask] = np.concatenate([plan.inputs for plan in plans])
        answers[mask] = np.concatenate([plan.answers for plan in plans])
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
        if mask.ndim != 2 or any(array.shape[:-1] != mask.shape for array in (inputs, answers)):
            raise ValueError("its arrays do not fit")
        return [Drawn(inputs[row, steps], answers[row, steps]) for row, steps in enumerate(mask)]

    def class_ids(self, plan: Drawn) -> np.ndarray:
        """None: sequences have no classes."""
        return np.zeros(0, dtype=np.int64)

    def loads(self) -> list[Load]:
        """The vectors of the longest sequence."""
        return [Load(self.protocol.stored(), "vectors")]

    def batches(
        self, plans: Sequence[Drawn], codes: Callable[[int], np.ndarray], size: int, rows: Tensor | None = None
    ) -> Iterator[Sequences]:
        """As `Source.batches`, all padded to the longest sequence: sums of scores are the same for any batch size."""
        whole = self.fetch(plans, [], rows)
        at_once = max(1, size // whole.mask.shape[1])
        for start in range(0, len(plans), at_once):
            yield whole.part(start, start + at_once)
