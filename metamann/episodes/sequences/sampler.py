"""Batches of sequences of bits, the sampler that deals them, and lists of them to evaluate on."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metamann.data.cache import write_atomically
from metamann.episodes.episode import PADDING
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.errors import EpisodeError, check_seed


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

    @property
    def targets(self) -> Tensor:
        """The bits that predictions are judged by, `batch x (steps * bits)`."""
        return self.answers.flatten(1)


class SequenceSampler:
    """Deals the sequences of one task: sequence i is a pure function of (task, split, seed, i).

    Args:
        task: what a sequence is.
        split: `train`, `val` or `test`: the same seed gives each of them sequences of its own.
        seed: of all sequences.

    Raises:
        EpisodeError: if the settings make no sequence, or the split is unknown.
        ConfigError: if the seed is none.
    """

    def __init__(self, task: SequenceTask, split: str, seed: int = 0) -> None:
        task.check()
        if split not in ("train", "val", "test"):
            raise EpisodeError(f"there is no split '{split}'; choose train, val or test.")
        check_seed("seed", seed)
        self.task, self.split, self.seed = task, split, seed
        identity = json.dumps([task.describe(), split], sort_keys=True)
        self._entropy = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:16], "big")

    def batch(self, indices: Sequence[int]) -> Sequences:
        """These sequences, padded to the longest of them."""
        drawn = [self.task.draw(np.random.default_rng((self._entropy, self.seed, index))) for index in indices]
        lengths = np.array([len(each.inputs) for each in drawn])
        mask = np.arange(lengths.max()) < lengths[:, None]
        inputs = np.zeros((*mask.shape, self.task.channels), np.float32)
        answers = np.full((*mask.shape, self.task.bits), PADDING)
        inputs[mask] = np.concatenate([each.inputs for each in drawn])
        answers[mask] = np.concatenate([each.answers for each in drawn])
        return Sequences(torch.from_numpy(inputs), torch.from_numpy(answers), torch.from_numpy(mask))

    def batches(self, batches: Sequence[Sequence[int]], workers: int = 1) -> Iterator[Sequences]:
        """Batches of these indices in order; bits are drawn faster than threads could hand them over, so none are."""
        return map(self.batch, batches)


@dataclasses.dataclass(frozen=True)
class SequenceList:
    """The first sequences of a sampler, fixed.

    Attributes:
        header: task, split and seed that they were drawn with.
        sequences: all of them as one batch.
    """

    header: dict[str, object]
    sequences: Sequences

    @classmethod
    def draw(cls, sampler: SequenceSampler, number: int) -> SequenceList:
        """Fix sequences 0 to `number - 1` of a sampler.

        Raises:
            EpisodeError: if fewer than 2 are asked for: an interval needs two.
        """
        if number < 2:
            raise EpisodeError(f"episodes={number}: an interval over sequences needs at least 2.")
        header = {"protocol": sampler.task.describe(), "split": sampler.split, "seed": sampler.seed}
        return cls(header, sampler.batch(range(number)))

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.sequences.mask)

    @property
    def seed(self) -> int:
        """The seed that the list was drawn with."""
        return int(str(self.header["seed"]))

    @property
    def hash(self) -> str:
        """sha256 over the header and all bits: two evaluations with one hash saw the same sequences."""
        digest = hashlib.sha256(json.dumps(self.header, sort_keys=True).encode())
        for tensor in self.sequences:
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the list as one `.npz` file."""
        buffer = io.BytesIO()
        arrays = {name: tensor.numpy() for name, tensor in self.sequences._asdict().items()}
        np.savez_compressed(buffer, header=json.dumps(self.header), **arrays)
        write_atomically(path, buffer.getvalue())

    def batches(self, size: int) -> Iterator[Sequences]:
        """The sequences in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield Sequences(*(tensor[start : start + size] for tensor in self.sequences))
