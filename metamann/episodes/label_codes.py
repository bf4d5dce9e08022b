"""Label codes: the vectors that stand for the class numbers of an episode."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from metamann.episodes import ranges
from metamann.errors import EpisodeError


@dataclasses.dataclass(frozen=True)
class LabelCodes:
    """The vectors that stand for the labels of an episode.

    Attributes:
        kind: `onehot`, or `random`: rows of a random rotation (orthonormal) where the width allows, else
            random unit vectors, fresh for every episode.
        width: of a code; None takes the number of classes.

    Examples:
        >>> LabelCodes().draw(2, np.random.default_rng(0))
        array([[1., 0.],
               [0., 1.]], dtype=float32)
        >>> LabelCodes("random", width=8).draw(2, np.random.default_rng(0)).shape
        (2, 8)
    """

    kind: Literal["onehot", "random"] = "onehot"
    width: int | None = None

    def check(self, classes: int) -> None:
        """Refuse codes that cannot be drawn, or cannot tell so many classes apart.

        Raises:
            EpisodeError: with the setting to change.
        """
        if self.kind not in ("onehot", "random"):
            raise EpisodeError(f"protocol.codes.kind={self.kind} is unknown; choose onehot or random.")
        if self.width is not None:
            ranges.check("protocol.codes.width", self.width, ranged=False)
        if self.kind == "onehot" and self.width is not None and self.width < classes:
            raise EpisodeError(
                f"one-hot codes of width {self.width} cannot tell {classes} classes apart. Raise protocol.codes.width, "
                "or take protocol.codes.kind=random."
            )

    def draw(self, classes: int, rng: np.random.Generator) -> np.ndarray:
        """Codes of one episode, `classes x width`, float32."""
        width = self.width or classes
        if self.kind == "onehot":
            return np.eye(classes, width, dtype=np.float32)
        gaussian = rng.standard_normal((max(classes, width), width))
        if classes <= width:
            rotation, upper = np.linalg.qr(gaussian)
            # without the signs of the diagonal, the rotation would not be uniform
            codes = (rotation * np.sign(np.diag(upper)))[:classes]
        else:
            codes = gaussian / np.linalg.norm(gaussian, axis=1, keepdims=True)
        return codes.astype(np.float32)
