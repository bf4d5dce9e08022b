"""All files of a user's class folders as squares of ink, with an account of those that cannot be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from metamann.data.images.files import (
    TooManyPixelsError,
    UnreadableImageError,
    full_range,
    read_picture,
    shades,
    square,
)
from metamann.data.images.folders import ClassFolder


@dataclasses.dataclass
class DeepImages:
    """Images of one kind of numbers beyond 8 bits: all are scaled by the same range, so that they can be compared.

    Attributes:
        places: number of the folder and of the file in it.
        low: smallest value of all of them.
        high: largest value.

    Examples:
        >>> DeepImages([(0, 0)], low=12.0, high=4000.0).range  # of 12 bits
        (0, 4095)
    """

    places: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    low: float = np.inf
    high: float = -np.inf

    @property
    def range(self) -> tuple[float, float]:
        """The values that become black and white."""
        return full_range(self.low, self.high)


@dataclasses.dataclass
class ReadImages:
    """The images of all folders; names are relative to the user's folder.

    Attributes:
        images: of each folder, `1 x size x size` each, in the order of the files, without those that cannot be read.
        unreadable: name and reason of each file that is no image, or a damaged one.
        too_large: name and reason of each image of too many pixels.
        several: number of files with more than one picture, of which the first is used.
        plain: number of images of a single shade.
        deep: images of more than 8 bits, by the kind of their numbers.

    Examples:
        >>> read_images([], size=28, ink="auto", max_pixels=1e6)
        ReadImages(images=[], unreadable=[], too_large=[], several=0, plain=0, deep={})
    """

    images: list[list[Tensor]] = dataclasses.field(default_factory=list)
    unreadable: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    too_large: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    several: int = 0
    plain: int = 0
    deep: dict[str, DeepImages] = dataclasses.field(default_factory=dict)


def read_images(folders: Sequence[ClassFolder], size: int, ink: str, max_pixels: float) -> ReadImages:
    """Read the files of all folders.

    Deep images are decoded twice: the range of the values of all of them scales each of them.

    Args:
        folders: with their files.
        size: of the squares.
        ink: see `square`.
        max_pixels: see `read_picture`.
    """
    read = ReadImages()
    squares: dict[tuple[int, int], Tensor] = {}
    for number, folder in enumerate(folders):
        for place, file in enumerate(folder.files):
            try:
                values, depth, several = read_picture(file, max_pixels)
            except UnreadableImageError as error:
                left_out = read.too_large if isinstance(error, TooManyPixelsError) else read.unreadable
                left_out.append(("/".join((*folder.parts, file.name)), str(error)))
                continue
            read.several += several
            if depth is None:
                low, high = values.min(), values.max()
                squares[number, place] = square(values, size, ink)
            else:
                finite = values[np.isfinite(values)]
                low, high = (finite.min(), finite.max()) if len(finite) else (0, 0)
                deep = read.deep.setdefault(depth, DeepImages())
                deep.places.append((number, place))
                deep.low, deep.high = min(deep.low, float(low)), max(deep.high, float(high))
            read.plain += bool(low == high)
    for deep in read.deep.values():
        for number, place in deep.places:
            values = read_picture(folders[number].files[place], max_pixels).values
            squares[number, place] = square(shades(values, *deep.range), size, ink)
    read.images = [
        [squares[number, place] for place in range(len(folder.files)) if (number, place) in squares]
        for number, folder in enumerate(folders)
    ]
    return read
