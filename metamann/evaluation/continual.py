"""Continual learning: classes arrive task after task, the state is carried on, and old classes are asked again.

R[i, j] is the accuracy on the queries of task j after learning task i, among all classes shown so far.

References:
    [L17] Lopez-Paz and Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017, section 2.
    [C18] Chaudhry et al., Riemannian Walk for Incremental Learning, ECCV 2018, section 3.1.
    [L21] Lomonaco et al., Avalanche: an End-to-End Library for Continual Learning, CVPR workshops 2021.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from metamann.episodes.episode import Classes, Episode, Examples
from metamann.errors import EpisodeError
from metamann.learners.learner import Learner


@torch.no_grad()
def accuracy_matrix(learner: Learner[Any], episode: Episode, tasks: int) -> Tensor:
    """Teach the classes of an episode task by task, and ask after each task for all that were taught.

    Class numbers are drawn at random for every episode, so that tasks of consecutive numbers are random tasks.

    Args:
        learner: in evaluation mode; its state is carried from task to task.
        episode: of images, a multiple of `tasks` classes, equally many of each.
        tasks: that the classes are dealt to, in the order of their numbers.

    Returns:
        R, `batch x tasks x tasks`, NaN above the diagonal.

    Raises:
        EpisodeError: if the classes cannot be dealt evenly.
    """
    ways = episode.classes.codes.shape[1]
    if ways % tasks or bool((episode.classes.ways != ways).any()):
        raise EpisodeError(f"{ways} classes cannot be dealt evenly to {tasks} tasks; set protocol.ways to a multiple.")
    each = ways // tasks
    found = torch.full((len(episode.classes.ways), tasks, tasks), torch.nan)
    inputs = Examples(learner.encode(episode.support.inputs), episode.support.labels)
    queries = Examples(learner.encode(episode.query.inputs), episode.query.labels)
    state = None
    for task in range(tasks):
        shown = (task + 1) * each
        known = Classes(torch.full_like(episode.classes.ways, shown), episode.classes.codes[:, :shown])
        state = learner.adapt(_of_classes(inputs, task * each, shown), known, state)
        asked = _of_classes(queries, 0, shown)
        right = learner.predict(state, asked.inputs).argmax(-1) == asked.labels
        for old in range(task + 1):
            of_task = (asked.labels >= old * each) & (asked.labels < (old + 1) * each)
            found[:, task, old] = ((right & of_task).sum(1) / of_task.sum(1)).cpu()
    return found


def continual_scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The measures of each sequence of tasks.

    Args:
        matrices: R, `sequences x tasks x tasks`, at least two tasks.

    Returns:
        `average_accuracy`, over all tasks after the last; `backward_transfer` [L17], last minus first, below 0 where
        something was forgotten; `forgetting` [C18], highest minus last; `forgetting_avalanche` [L21], first minus last.
        The last three are means over all tasks but the last.
    """
    last, first = matrices[:, -1, :-1], np.diagonal(matrices, axis1=1, axis2=2)[:, :-1]
    highest = np.nanmax(matrices[:, :-1, :-1], axis=1)
    return {
        "average_accuracy": matrices[:, -1].mean(1),
        "backward_transfer": (last - first).mean(1),
        "forgetting": (highest - last).mean(1),
        "forgetting_avalanche": (first - last).mean(1),
    }


def first_task_curve(matrices: np.ndarray) -> np.ndarray:
    """Accuracy on the first task after each task, mean over sequences, `tasks`."""
    return np.asarray(matrices[:, :, 0].mean(0))


def _of_classes(examples: Examples, start: int, stop: int) -> Examples:
    """The items of classes `start` to `stop - 1`: equally many in every episode."""
    wanted = (examples.labels >= start) & (examples.labels < stop)
    rows = wanted.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : int(wanted[0].sum())]
    inputs = examples.inputs
    assert isinstance(inputs, Tensor)
    picked = torch.stack([of_episode[order] for of_episode, order in zip(inputs, rows, strict=True)])
    return Examples(picked, examples.labels.gather(1, rows))
