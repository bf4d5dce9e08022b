"""A user's own classes, which have any number of items: those that are too small for a protocol are left out."""

from __future__ import annotations

import numpy as np

from metamann.data.store import ClassStore, plain_name
from metamann.episodes.items.class_draws import check_classes
from metamann.episodes.items.episode_protocol import EpisodeProtocol
from metamann.errors import EpisodeError, excerpts


def fitting_classes(store: ClassStore, protocol: EpisodeProtocol) -> tuple[ClassStore, tuple[str, ...]]:
    """The classes of a store that have as many items as a protocol needs, and a note on those that have fewer.

    Args:
        store: of any classes.
        protocol: of the episodes to draw from them.

    Raises:
        EpisodeError: if too few classes are left, with their names.
    """
    need = protocol.need()
    small = np.flatnonzero(store.class_sizes < need.items)
    if not len(small):
        return store, ()
    names = [f"{plain_name(store.class_names[number])} ({store.class_sizes[number]})" for number in small]
    left_out = f"fewer than the {need.items} items that {need.settings} need: {excerpts(names)}"
    if len(small) == store.n_classes:
        check_classes(store, protocol.max_ways, within_group=False)
        raise EpisodeError(f"all classes of '{store.name}' have {left_out}. {need.remedy}.")
    fitting = store.subset(store.name, np.flatnonzero(store.class_sizes >= need.items).tolist())
    try:
        protocol.check(fitting)
    except EpisodeError as error:
        raise EpisodeError(f"{error} Left out are classes of {left_out}. {need.remedy}.") from error
    return fitting, (f"{len(small)} of {store.n_classes} classes of '{store.name}' left out, with {left_out}",)
