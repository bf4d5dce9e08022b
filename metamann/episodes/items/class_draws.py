"""Which classes of a store make an episode, and which of their items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metamann.data.store import ClassStore
from metamann.episodes import ranges
from metamann.errors import EpisodeError


class Need(NamedTuple):
    """Items that each class of an episode must have.

    Attributes:
        items: number of items, the largest over all episodes.
        settings: the settings that it follows from, in words.
        remedy: the settings to change, in words.
    """

    items: int
    settings: str
    remedy: str


def draw_classes(store: ClassStore, ways: int, within_group: bool, rng: np.random.Generator) -> np.ndarray:
    """Distinct classes in random order, which is what makes the class numbers random."""
    if not within_group:
        return rng.choice(store.n_classes, ways, replace=False)
    large_enough = [members for members in store.classes_by_group.values() if len(members) >= ways]
    return rng.choice(large_enough[rng.integers(len(large_enough))], ways, replace=False)


def draw_from_groups(store: ClassStore, ways: int, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Equally many distinct classes of distinct groups, in random order."""
    per_group = ways // groups
    large_enough = [members for members in store.classes_by_group.values() if len(members) >= per_group]
    chosen = rng.choice(len(large_enough), groups, replace=False)
    drawn = [rng.choice(large_enough[group], per_group, replace=False) for group in chosen]
    return rng.permutation(np.concatenate(drawn))


def draw_items(store: ClassStore, class_id: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct items of one class, rows of the store, in random order."""
    within = rng.choice(store.class_sizes[class_id], size, replace=False)
    return np.asarray(within + store.first_item[class_id])


def check_classes(store: ClassStore, ways: int, within_group: bool) -> None:
    """Refuse more ways than there are classes, in the store or in its largest group.

    Raises:
        EpisodeError: with the numbers that do not fit.
    """
    available, where = store.n_classes, f"'{store.name}' has"
    if within_group:
        available = max((len(members) for members in store.classes_by_group.values()), default=0)
        where = f"the largest group of '{store.name}' has"
    if not store.n_classes:
        raise EpisodeError(
            f"'{store.name}' has no classes. Give it some, by a share or a folder of its own, or choose another split."
        )
    if ways > available:
        fix = "without protocol.within_group, " if within_group else ""
        raise EpisodeError(
            f"{ways}-way episodes need {ways} classes, but {where} {available}. "
            f"Lower protocol.ways to at most {available}, or choose another split, {fix}or more data."
        )


def check_items(store: ClassStore, need: Need) -> None:
    """Refuse episodes that need more items of a class than the smallest class has.

    Raises:
        EpisodeError: with the numbers that do not fit.
    """
    fewest = int(store.class_sizes.min())
    if need.items > fewest:
        raise EpisodeError(
            f"{need.settings} need {need.items} items of each class, but a class of '{store.name}' has {fewest}. "
            f"{need.remedy}."
        )


def check_groups(store: ClassStore, ways: int | Sequence[int], groups: int, within_group: bool) -> None:
    """Refuse ways that cannot be divided evenly among the groups.

    Raises:
        EpisodeError: with the numbers that do not fit.
    """
    fewest, most = ranges.ends(ways)
    if within_group or groups < 1 or fewest != most or most % groups:
        raise EpisodeError(
            f"protocol.groups={groups} needs a fixed number of ways, a multiple of it, and excludes "
            "protocol.within_group; change one of them."
        )
    large_enough = sum(len(members) >= most // groups for members in store.classes_by_group.values())
    if large_enough < groups:
        raise EpisodeError(
            f"protocol.groups={groups} needs as many groups of {most // groups} classes, but '{store.name}' has "
            f"{large_enough}. Lower protocol.ways or protocol.groups."
        )
