"""Python objects as squares of ink, exactly as the same pictures read from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metamann.data.images.files import (
    LARGEST_MAX_PIXELS,
    Picture,
    UnreadableImageError,
    full_range,
    picture_of,
    read_picture,
    shades,
    square,
)
from metamann.data.images.folders import find_class_folders
from metamann.data.images.reader import read_images
from metamann.errors import DataError, excerpt

CHANNELS = (1, 3, 4)


class Pictures:
    """Converts pictures into squares of ink.

    Args:
        size: of the squares, pixels: `data.size` of the run.
        ink: `auto`, `dark` or `light`: `data.ink` of the run.

    Examples:
        >>> pictures = Pictures(size=28)
        >>> pictures.read(np.full((40, 60), 255, dtype=np.uint8)).shape
        torch.Size([1, 28, 28])
    """

    kind = "an image: a PIL image, an array of H x W or H x W x C, a tensor, or a path"

    def __init__(self, size: int, ink: str = "auto") -> None:
        self.size, self.ink = size, ink
        self.shape = (1, size, size)
        self.dtype = torch.uint8

    def is_one(self, value: Any) -> bool:
        """Whether this is one picture, not several."""
        if isinstance(value, np.ndarray | Tensor):
            return value.ndim < 3 or (value.ndim == 3 and _channels_axis(value) is not None)
        return isinstance(value, str | Path | Image.Image)

    def read(self, value: Any) -> Tensor:
        """One picture as ink, `1 x size x size`, uint8.

        Raises:
            DataError: if it is no picture, or cannot be read.
        """
        picture = self._picture(value)
        grey = picture.values if picture.depth is None else _grey(picture.values)
        return square(grey, self.size, self.ink)

    def read_folder(self, path: Path) -> list[tuple[Tensor, str]]:
        """Pictures and their labels, of a folder that holds one folder a class; as `data=folder` reads it.

        Raises:
            DataError: if a file cannot be read, or there is none.
        """
        folders = find_class_folders(path).classes
        read = read_images(folders, self.size, self.ink, LARGEST_MAX_PIXELS)
        for name, reason in (*read.unreadable, *read.too_large):
            raise DataError(f"{excerpt(path / name)} cannot be read ({reason}); mend it or take it away.")
        labelled = [
            (image, "/".join(folder.parts))
            for folder, images in zip(folders, read.images, strict=True)
            for image in images
        ]
        if not labelled:
            raise DataError(f"no folder below {excerpt(path)} holds images; the layout is CLASS/image.png.")
        return labelled

    def _picture(self, value: Any) -> Picture:
        if isinstance(value, str | Path):
            path = Path(value).expanduser()
            try:
                return read_picture(path, LARGEST_MAX_PIXELS)
            except UnreadableImageError as error:
                raise DataError(f"image {excerpt(path)} cannot be read ({error}); give a PNG or JPEG.") from error
        if isinstance(value, np.ndarray | Tensor):
            value = Image.fromarray(_pixels(value))
        if isinstance(value, Image.Image):
            try:
                return picture_of(value)
            except UnreadableImageError as error:
                raise DataError(f"an image cannot be read ({error}); give another, or its file.") from error
        raise DataError(f"{excerpt(type(value).__name__)} is no image; give a PIL image, an array, a tensor or a path.")


def _pixels(value: np.ndarray | Tensor) -> np.ndarray:
    """An array that Pillow takes, uint8, `height x width` or `height x width x channels`."""
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    axis = _channels_axis(value) if array.ndim == 3 else None
    if array.ndim not in (2, 3) or (array.ndim == 3 and axis is None) or 0 in array.shape:
        raise DataError(
            f"an image of shape {tuple(array.shape)} is not read; give H x W or H x W x C with 1, 3 or 4 channels."
        )
    if axis == 0:
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype == np.bool_:
        array = array * np.uint8(255)
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise DataError("an image of floats must be between 0 and 1; divide it by its largest value.")
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise DataError(f"an image of {array.dtype} is not read; give uint8, or floats between 0 and 1.")
    return np.ascontiguousarray(array)


def _channels_axis(value: np.ndarray | Tensor) -> int | None:
    """Tensors have their channels first or last, arrays last."""
    if value.shape[-1] in CHANNELS and not (isinstance(value, Tensor) and value.shape[0] in CHANNELS):
        return -1
    return 0 if isinstance(value, Tensor) and value.shape[0] in CHANNELS else None


def _grey(values: np.ndarray) -> np.ndarray:
    """A deep picture as grey, scaled by the range of its own values."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return shades(values, *full_range(low, high))
