"""A bridge to learn2learn in both directions: its tasksets as samplers, and samplers as its tasksets.

Neither direction imports learn2learn. A task there is `(data, labels)`: float images of all its classes, and class
numbers. Its training loops use every second item as the support and the others as the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Episode, Examples
from metamann.episodes.sampler import Sampler
from metamann.errors import EpisodeError


class TasksetSampler:
    """Episodes of a taskset of learn2learn: of each class the first `shots` items are the support.

    The order of the items is shuffled with the index as seed; the class numbers are those of the taskset. The taskset
    decides which task an index stands for: with `num_tasks=-1` it draws a new one at every call.

    Args:
        taskset: gives `(data, labels)` by index; data are floats from 0 to 1, `items x channels x height x width`.
        ways: classes of a task.
        shots: support items of a class.

    Examples:
        >>> tasks = [(torch.rand(4, 1, 28, 28), torch.tensor([0, 0, 1, 1]))]  # one task: 2 items of each of 2 classes
        >>> episode = TasksetSampler(tasks, ways=2, shots=1).batch([0])
        >>> episode.support.labels, episode.query.inputs.shape
        (tensor([[0, 1]]), torch.Size([1, 2, 1, 28, 28]))
    """

    def __init__(self, taskset: Any, ways: int, shots: int) -> None:
        self.taskset, self.ways, self.shots = taskset, ways, shots

    def batch(self, indices: Sequence[int]) -> Episode:
        """The tasks of these indices, as uint8 images.

        Raises:
            EpisodeError: if a task has other classes, or too few items of one.
        """
        parts = [self._task(index) for index in indices]
        support, query = (Examples(*map(torch.stack, zip(*part, strict=True))) for part in zip(*parts, strict=True))
        return Episode(support, query, Classes.one_hot(len(indices), self.ways))

    def _task(self, index: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        data, labels = self.taskset[index]
        class_numbers = labels.numpy()
        distinct = sorted(set(class_numbers.tolist()))
        if distinct != list(range(self.ways)):
            raise EpisodeError(f"task {index} has classes {distinct}; {self.ways} are wanted.")
        rng = np.random.default_rng(index)
        of_class = [np.flatnonzero(class_numbers == number) for number in range(self.ways)]
        if min(map(len, of_class)) <= self.shots:
            raise EpisodeError(f"task {index} has no query left of a class with {self.shots} shots; give it more.")
        images = (data * 255).round().clamp(0, 255).to(torch.uint8)
        rows = (
            rng.permutation(np.concatenate([items[: self.shots] for items in of_class])),
            rng.permutation(np.concatenate([items[self.shots :] for items in of_class])),
        )
        support, query = ((images[part], labels[part].long()) for part in rows)
        return support, query


class SamplerTaskset:
    """The first episodes of a sampler as a taskset of learn2learn.

    Items are sorted by class, and support and query items alternate, as the loops of learn2learn expect.

    Args:
        sampler: of N-way K-shot episodes with as many queries as shots, of fixed size.
        num_tasks: number of its episodes.

    Raises:
        EpisodeError: if a class has not as many support items as query items.

    Examples:
        >>> from metamann.data.store import ClassStore
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> store = ClassStore.from_classes("rows", [torch.zeros(2, 8)] * 3, ["a", "b", "c"], [""] * 3)
        >>> data, labels = SamplerTaskset(Sampler(store, NWayKShot(ways=2, shots=1, queries=1)), num_tasks=10)[0]
        >>> data.shape, labels
        (torch.Size([4, 8]), tensor([0, 0, 1, 1]))
    """

    def __init__(self, sampler: Sampler, num_tasks: int) -> None:
        settings = sampler.protocol.describe()
        if not isinstance(settings.get("shots"), int) or settings["shots"] != settings["queries"]:
            raise EpisodeError(
                "learn2learn halves a task into support and query; set protocol.queries to the number of "
                "protocol.shots, both fixed."
            )
        self.sampler, self.num_tasks = sampler, num_tasks
        self._drawn = np.random.default_rng(sampler.seed)

    def __len__(self) -> int:
        """Number of tasks."""
        return self.num_tasks

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Episode `index`: `items x channels x height x width`, floats from 0 to 1, and `items` class numbers.

        Raises:
            IndexError: beyond the last task.
        """
        if not 0 <= index < self.num_tasks:
            raise IndexError(index)
        episode = self.sampler.batch([index])
        assert isinstance(episode, Episode)
        parts = [self._by_class(part) for part in (episode.support, episode.query)]
        data, labels = (torch.stack(pair, 1).flatten(0, 1) for pair in zip(*parts, strict=True))
        return data.float() / 255, labels

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All tasks in order."""
        return map(self.__getitem__, range(self.num_tasks))

    def sample(self) -> tuple[Tensor, Tensor]:
        """A task drawn at random."""
        return self[int(self._drawn.integers(self.num_tasks))]

    @staticmethod
    def _by_class(part: Examples) -> tuple[Tensor, Tensor]:
        assert isinstance(part.inputs, Tensor)
        order = part.labels[0].argsort(stable=True)
        return part.inputs[0, order], part.labels[0, order]
