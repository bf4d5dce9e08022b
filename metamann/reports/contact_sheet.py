"""A contact sheet: drawings of several classes side by side, to inspect a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from metamann.data.store import ClassStore
from metamann.errors import DataError

GAP = 1  # pixels
GAP_GREY = 200


def contact_sheet(store: ClassStore, classes: Sequence[int], drawings: int) -> NDArray[np.uint8]:
    """Drawings of the given classes, black ink on white paper, one row for each class, with thin grey gaps.

    Args:
        store: with the drawings; of several channels the first is used.
        classes: class numbers, from the top row to the bottom row.
        drawings: number of columns; the row of a class with fewer items ends in white.

    Returns:
        `height x width`, 0 for ink and 255 for paper.

    Raises:
        DataError: if there is no class or no drawing, or a class number does not exist.
    """
    if drawings < 1 or not classes:
        raise DataError(f"a contact sheet of {len(classes)} classes x {drawings} drawings is empty; ask for 1 or more.")
    unknown = [number for number in classes if not 0 <= number < store.n_classes]
    if unknown:
        raise DataError(
            f"'{store.name}' has no class {unknown[0]}; its {store.n_classes} classes count from 0, choose among them."
        )
    height, width = store.items.shape[2] + GAP, store.items.shape[3] + GAP
    sheet = np.full((len(classes) * height + GAP, drawings * width + GAP), GAP_GREY, dtype=np.uint8)
    for row, number in enumerate(classes):
        images = store.images_of(number)[:drawings, 0].numpy()
        for column in range(drawings):
            paper = sheet[row * height + GAP : (row + 1) * height, column * width + GAP : (column + 1) * width]
            paper[:] = 255 - images[column] if column < len(images) else 255
    return sheet
