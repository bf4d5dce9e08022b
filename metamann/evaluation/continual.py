"""Continual learning: classes arrive task by task, the state is kept, and earlier classes are tested again.

R[i, j] is the accuracy (for sentences F1) on the queries of task j after learning task i, among all classes so far.

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
from metamann.episodes.sentences.tagging import TagScheme, n_tags
from metamann.errors import EpisodeError
from metamann.evaluation.spans import COUNTED, count_spans
from metamann.learners.learner import Learner


@torch.no_grad()
def accuracy_matrix(learner: Learner[Any], episode: Episode, tasks: int) -> Tensor:
    """Learn the classes of an episode task by task, and test all classes so far after each task.

    Class numbers are drawn at random for every episode, so tasks of consecutive numbers are random tasks.

    Args:
        learner: in evaluation mode; its state is kept from task to task.
        episode: of images; its number of classes is a multiple of `tasks`, and all classes are equally large.
        tasks: number of tasks to divide the classes among, in the order of their numbers.

    Returns:
        R, `batch x tasks x tasks`, NaN above the diagonal.

    Raises:
        EpisodeError: if the classes cannot be divided evenly.
    """
    ways = episode.classes.codes.shape[1]
    if ways % tasks or bool((episode.classes.ways != ways).any()):
        raise EpisodeError(f"{ways} classes cannot be dealt evenly to {tasks} tasks; set protocol.ways to a multiple.")
    per_task = ways // tasks
    accuracy = torch.full((len(episode.classes.ways), tasks, tasks), torch.nan)
    support = Examples(learner.encode(episode.support.inputs), episode.support.labels)
    queries = Examples(learner.encode(episode.query.inputs), episode.query.labels)
    learner, state = learner.on_features(), None
    for task in range(tasks):
        so_far = (task + 1) * per_task
        classes = Classes(torch.full_like(episode.classes.ways, so_far), episode.classes.codes[:, :so_far])
        state = learner.adapt(_of_classes(support, task * per_task, so_far), classes, state)
        query = _of_classes(queries, 0, so_far)
        right = learner.answer(state, query.inputs) == query.labels
        for old in range(task + 1):
            of_task = (query.labels >= old * per_task) & (query.labels < (old + 1) * per_task)
            accuracy[:, task, old] = ((right & of_task).sum(1) / of_task.sum(1)).cpu()
    return accuracy


@torch.no_grad()
def f1_matrix(learner: Learner[Any], episode: Episode, tasks: int, scheme: TagScheme) -> Tensor:
    """As `accuracy_matrix`, for sentences: F1 of the entities of each task, whose types arrive task by task.

    The support of a task is the sentences that hold one of its types; the entities of all other types, earlier ones
    included, are tagged O. All queries are answered after each task.

    Args:
        learner: in evaluation mode; its state is kept from task to task.
        episode: a batch of one; its number of types is a multiple of `tasks`.
        tasks: number of tasks to divide the types among, in the order of their numbers.
        scheme: of the tags.

    Returns:
        R, `1 x tasks x tasks`, NaN above the diagonal and where a task's types are neither labelled nor predicted.

    Raises:
        EpisodeError: if the types cannot be divided evenly.
    """
    of_type = n_tags(scheme, 1) - 1
    types = (int(episode.classes.ways[0]) - 1) // of_type
    if types % tasks:
        raise EpisodeError(f"{types} types cannot be dealt evenly to {tasks} tasks; take a multiple.")
    tags = of_type * types // tasks  # of a task
    f1 = torch.full((1, tasks, tasks), torch.nan)
    support, queries, state = episode.support, episode.query, None
    for task in range(tasks):
        of_task = _only(support.labels, task * tags, (task + 1) * tags)
        rows = (of_task > 0).any(-1)[0]
        so_far = 1 + (task + 1) * tags
        names = episode.classes.names
        types_so_far = torch.arange((so_far - 1) // of_type, device=rows.device)
        classes = Classes(
            torch.tensor([so_far], device=support.labels.device),
            episode.classes.codes[:, :so_far],
            names if names is None else names.index_select(1, types_so_far),
        )
        sentences = support.inputs.index_select(1, rows.nonzero().flatten())
        state = learner.adapt(Examples(sentences, of_task[:, rows]), classes, state)
        answers = learner.answer(state, queries.inputs)
        for old in range(task + 1):
            predicted, gold = (_only(labels, old * tags, (old + 1) * tags) for labels in (answers, queries.labels))
            counts = dict(zip(COUNTED, count_spans(predicted, gold, scheme)[0], strict=True))
            both = counts["gold"] + counts["predicted"]
            f1[0, task, old] = 2 * counts["correct"] / both if both else torch.nan
    return f1


def continual_scores(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The measures of each sequence of tasks.

    Args:
        matrices: R, `sequences x tasks x tasks`, at least two tasks.

    Returns:
        `average_accuracy`, over all tasks after the last; `backward_transfer` [L17], last minus first, below 0 where
        something was forgotten; `forgetting` [C18], highest minus last; `forgetting_avalanche` [L21], first minus last.
        The last three are means over all tasks but the last.

    Examples:
        >>> scores = continual_scores(np.array([[[0.9, np.nan], [0.6, 0.8]]]))  # one sequence of two tasks
        >>> f"{scores['average_accuracy'][0]:.2f}, {scores['forgetting'][0]:.2f}"
        '0.70, 0.30'
    """
    last, first = matrices[:, -1, :-1], np.diagonal(matrices, axis1=1, axis2=2)[:, :-1]
    highest = np.nanmax(matrices[:, :-1, :-1], axis=1)
    return {
        "average_accuracy": np.nanmean(matrices[:, -1], 1),
        "backward_transfer": np.nanmean(last - first, 1),
        "forgetting": np.nanmean(highest - last, 1),
        "forgetting_avalanche": np.nanmean(first - last, 1),
    }


def first_task_curve(matrices: np.ndarray) -> np.ndarray:
    """Accuracy on the first task after each task, mean over sequences, `tasks`."""
    return np.asarray(np.nanmean(matrices[:, :, 0], 0))


def _only(tags: Tensor, after: int, last: int) -> Tensor:
    """Tags `after + 1` to `last`; all others become O, and padding is unchanged."""
    return torch.where((tags > after) & (tags <= last) | (tags < 0), tags, 0)


def _of_classes(examples: Examples, start: int, stop: int) -> Examples:
    """The items of classes `start` to `stop - 1`, whose number is the same in every episode."""
    mask = (examples.labels >= start) & (examples.labels < stop)
    rows = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : int(mask[0].sum())]
    inputs: Any = examples.inputs
    selected = torch.cat([inputs.narrow(0, n, 1).index_select(1, order) for n, order in enumerate(rows)])
    return Examples(selected, examples.labels.gather(1, rows))
