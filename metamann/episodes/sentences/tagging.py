"""Tag numbers of an episode: 0 is O, the rest are its classes.

Under `io`, class c has tag 1 + c; adjacent tokens of one class are one entity. Under `bio`, class c has tag 1 + 2c for
B, the first token of an entity, and tag 2 + 2c for I, the tokens after it.
"""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import numpy as np

from metamann.errors import EpisodeError

TagScheme = Literal["io", "bio"]
OUTSIDE = 0

Numbers = TypeVar("Numbers", int, np.ndarray)


def check_scheme(scheme: str) -> None:
    """Refuse an unknown scheme.

    Raises:
        EpisodeError: with the known schemes.
    """
    if scheme not in get_args(TagScheme):
        raise EpisodeError(f"protocol.scheme={scheme} is unknown; choose {' or '.join(get_args(TagScheme))}.")


def n_tags(scheme: TagScheme, classes: Numbers) -> Numbers:
    """Number of tags of an episode with this number of classes, O included."""
    return classes + 1 if scheme == "io" else 2 * classes + 1


def number_tags(scheme: TagScheme, classes: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Tags of tokens.

    Args:
        scheme: of the tags.
        classes: of each token, -1 outside of entities.
        begins: true at the first token of an entity, of the same shape.
    """
    inside = 1 + classes if scheme == "io" else 2 + 2 * classes - begins
    return np.where(classes < 0, OUTSIDE, inside)


def read_classes(scheme: TagScheme, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class of each tag, -1 for O and for padding, which is negative; and whether it marks the start of an entity."""
    if scheme == "io":
        return np.maximum(tags, 0) - 1, np.zeros_like(tags, dtype=bool)
    return (np.maximum(tags, 0) + 1) // 2 - 1, (tags > 0) & (tags % 2 == 1)
