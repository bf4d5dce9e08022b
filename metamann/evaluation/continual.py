"""Continual learning: classes arrive task after task, the state is carried on, and old classes are asked again.

R[i, j] is the accuracy, of sentences F1, on the queries of task j after learning task i, among all classes so far.

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
    learner, state = learner.on_features(), None
    for task in range(tasks):
        shown = (task + 1) * each
        known = Classes(torch.full_like(episode.classes.ways, shown), episode.classes.codes[:, :shown])
        state = learner.adapt(_of_classes(inputs, task * each, shown), known, state)
        asked = _of_classes(queries, 0, shown)
        right = learner.answer(state, asked.inputs) == asked.labels
        for old in range(task + 1):
            of_task = (asked.labels >= old * each) & (asked.labels < (old + 1) * each)
            found[:, task, old] = ((right & of_task).sum(1) / of_task.sum(1)).cpu()
    return found


@torch.no_grad()
def f1_matrix(learner: Learner[Any], episode: Episode, tasks: int, scheme: TagScheme) -> Tensor:
    """As `accuracy_matrix`, of sentences: F1 of the entities of each task, whose types arrive task by task.

    A task teaches the sentences that hold one of its types, the entities of all other types tagged O, those taught
    before too. All queries are asked after each task.

    Args:
        learner: in evaluation mode; its state is carried from task to task.
        episode: one alone, of a multiple of `tasks` types.
        tasks: that the types are dealt to, in the order of their numbers.
        scheme: of the tags.

    Returns:
        R, `1 x tasks x tasks`, NaN above the diagonal and where a task's types are neither there nor answered.

    Raises:
        EpisodeError: if the types cannot be dealt evenly.
    """
    of_type = n_tags(scheme, 1) - 1
    types = (int(episode.classes.ways[0]) - 1) // of_type
    if types % tasks:
        raise EpisodeError(f"{types} types cannot be dealt evenly to {tasks} tasks; take a multiple.")
    tags = of_type * types // tasks  # of a task
    found = torch.full((1, tasks, tasks), torch.nan)
    support, queries, state = episode.support, episode.query, None
    for task in range(tasks):
        of_task = _only(support.labels, task * tags, (task + 1) * tags)
        rows = (of_task > 0).any(-1)[0]
        shown = 1 + (task + 1) * tags
        names = episode.classes.names
        known = Classes(
            torch.tensor([shown], device=support.labels.device),
            episode.classes.codes[:, :shown],
            names if names is None else names.index_select(1, torch.arange((shown - 1) // of_type, device=rows.device)),
        )
        taught = support.inputs.index_select(1, rows.nonzero().flatten())
        state = learner.adapt(Examples(taught, of_task[:, rows]), known, state)
        answers = learner.answer(state, queries.inputs)
        for old in range(task + 1):
            ours, theirs = (_only(each, old * tags, (old + 1) * tags) for each in (answers, queries.labels))
            counts = dict(zip(COUNTED, count_spans(ours, theirs, scheme)[0], strict=True))
            both = counts["gold"] + counts["predicted"]
            found[0, task, old] = 2 * counts["correct"] / both if both else torch.nan
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
        "average_accuracy": np.nanmean(matrices[:, -1], 1),
        "backward_transfer": np.nanmean(last - first, 1),
        "forgetting": np.nanmean(highest - last, 1),
        "forgetting_avalanche": np.nanmean(first - last, 1),
    }


def first_task_curve(matrices: np.ndarray) -> np.ndarray:
    """Accuracy on the first task after each task, mean over sequences, `tasks`."""
    return np.asarray(np.nanmean(matrices[:, :, 0], 0))


def _only(tags: Tensor, after: int, last: int) -> Tensor:
    """Tags `after + 1` to `last`, the others O; padding stays."""
    return torch.where((tags > after) & (tags <= last) | (tags < 0), tags, 0)


def _of_classes(examples: Examples, start: int, stop: int) -> Examples:
    """The items of classes `start` to `stop - 1`: equally many in every episode."""
    wanted = (examples.labels >= start) & (examples.labels < stop)
    rows = wanted.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : int(wanted[0].sum())]
    inputs: Any = examples.inputs
    picked = torch.cat([inputs.narrow(0, n, 1).index_select(1, order) for n, order in enumerate(rows)])
    return Examples(picked, examples.labels.gather(1, rows))
