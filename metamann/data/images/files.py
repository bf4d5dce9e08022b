"""One image file as a viewer displays it, and as a small square of ink, for any format, mode and depth."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from metamann.errors import DataError, excerpt

SUFFIXES = {
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
    ".pbm", ".pnm",
}  # fmt: skip
# no other one is opened, whatever a file is called: some of Pillow's others start programs
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
LARGEST_MAX_PIXELS = 178_956_970  # beyond it Pillow refuses an image itself
BYTES_OF_PIXEL = 16  # of a file without any compression: four numbers of 32 bits
TILE_WIDTH, TILE_LENGTH, PHOTOMETRIC = 322, 323, 262  # tags of TIFF
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
FULL_RANGES = (1, *(2**bits - 1 for bits in range(8, 17)))

logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)  # it logs what it raises


class UnreadableImageError(DataError):
    """Raised for a file that is damaged, or no image of a known format; the message is the reason."""


class TooManyPixelsError(UnreadableImageError):
    """Raised for an image that has too many pixels."""


class Picture(NamedTuple):
    """An image file, decoded.

    Attributes:
        values: `height x width`: grey as a viewer displays it, uint8, or, for a deep image, the numbers of the file.
        depth: the kind of numbers of a deep image; None for 8 bits, where black is 0 and white 255.
        several: whether it is the first of several pictures: an animation, or pages.
    """

    values: np.ndarray
    depth: str | None
    several: bool


def read_picture(file: Path, max_pixels: float) -> Picture:
    """Decode a file: in the orientation of its EXIF data, colours as grey, transparent parts white.

    The number of pixels is checked before any of them is decoded.

    Args:
        file: of one of `FORMATS`, which its content says and not its name.
        max_pixels: that an image may have, at most `LARGEST_MAX_PIXELS`.

    Raises:
        TooManyPixelsError: if it has more.
        UnreadableImageError: if it is no such image, or a damaged one.
    """
    try:
        if file.stat().st_size > BYTES_OF_PIXEL * max_pixels:
            raise TooManyPixelsError(f"{file.stat().st_size:,} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                _check_pixels(image, max_pixels)
                with _libtiff_silenced() if image.format == "TIFF" else nullcontext():
                    values, depth = _values(_turned(image), image)
                # a photograph of several pictures is no animation
                several = image.format != "MPO" and bool(getattr(image, "is_animated", False))
                return Picture(values, depth, several)
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError(f"over {LARGEST_MAX_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(f"no {', '.join(FORMATS)} image, or damaged") from error
    except Exception as error:  # damaged bytes make Pillow raise nearly anything; the cause is chained
        raise UnreadableImageError(excerpt(error) or type(error).__name__) from error


def picture_of(image: Image.Image) -> Picture:
    """An image that Pillow has already opened or made, decoded as `read_picture` decodes its file.

    Raises:
        UnreadableImageError: if it has no pixels, too many, or is damaged.
    """
    _check_pixels(image, LARGEST_MAX_PIXELS)
    try:
        return Picture(*_values(_turned(image), image), False)
    except Exception as error:  # damaged bytes make Pillow raise nearly anything; the cause is chained
        raise UnreadableImageError(excerpt(error) or type(error).__name__) from error


def full_range(low: float, high: float) -> tuple[float, float]:
    """The values that become black and white in images whose values lie between `low` and `high`.

    Black is 0 and white the top of the smallest usual range (0 to 1, or 8 to 16 bits) that holds all values, if they
    fill more than half of it: 12 bits in a file of 16 bits are scaled as 12 bits. Otherwise black is `low` and white
    `high`.
    """
    top = next((top for top in FULL_RANGES if high <= top), None)
    return (0, top) if top is not None and low >= 0 and high > top / 2 else (low, high)


def shades(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values of a deep image as grey, uint8: `low` is black, `high` white; what is no number is black."""
    with np.errstate(invalid="ignore"):  # of bytes that are no number
        finite = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    return np.clip(np.rint((finite - low) / ((high - low) or 1) * 255), 0, 255).astype(np.uint8)


def square(grey: np.ndarray, size: int, ink: str) -> Tensor:
    """Grey as ink, `1 x size x size`, uint8, 0 for paper and 255 for ink: padded with paper, and resized.

    Args:
        grey: `height x width`, uint8.
        size: of the square.
        ink: `dark` or `light`; `auto` judges by the border.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    dark_on_light = ink == "dark" or (ink == "auto" and np.median(border) > 127)
    image = Image.fromarray(255 - grey if dark_on_light else grey)
    if round(min(image.size) / max(image.size) * size) < 1:  # a line, which has to stay one pixel wide
        width, height = (max(1, round(side / max(image.size) * size)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    padded = ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color=0)
    return torch.from_numpy(np.array(padded, dtype=np.uint8)).unsqueeze(0)


def _check_pixels(image: Image.Image, max_pixels: float) -> None:
    """Refuse an image that has too many pixels, or tiles that do."""
    tags = getattr(image, "tag_v2", {})
    for width, height in (image.size, (tags.get(TILE_WIDTH, 0), tags.get(TILE_LENGTH, 0))):
        if width * height > max_pixels:
            raise TooManyPixelsError(f"{width:,} x {height:,} pixels")
    if min(image.size) == 0:
        raise UnreadableImageError("it has no pixels")


@contextmanager
def _libtiff_silenced() -> Iterator[None]:
    """Suppress the messages of libtiff on damaged files, for which Pillow raises an error."""
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _turned(image: Image.Image) -> Image.Image:
    """The image in the orientation of its EXIF data; damaged EXIF data are ignored."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF makes Pillow raise nearly anything, and a viewer shows such an image unturned
        return image


def _values(image: Image.Image, opened: Image.Image) -> tuple[np.ndarray, str | None]:
    """The values of a `Picture` and its depth, of the turned image and the file that it was opened from."""
    # Pillow brings any depth beyond 8 bits of the latter two to 16
    if image.mode.startswith("I;16") or (image.mode == "I" and opened.format in ("PNG", "PPM")):
        values = np.asarray(image).astype(np.int32)
        if getattr(opened, "tag_v2", {}).get(PHOTOMETRIC) == 0:  # white is zero
            values = FULL_RANGES[-1] - values
        if isinstance(image.info.get("transparency"), int):
            values[values == image.info["transparency"]] = FULL_RANGES[-1]
        return values, "16 bits"
    if image.mode in ("I", "F"):
        return np.asarray(image), "32 bits, whole numbers" if image.mode == "I" else "32 bits, real numbers"
    if "transparency" not in image.info and image.mode not in TRANSPARENT_MODES:
        return np.asarray((image if image.mode == "L" else image.convert("RGB")).convert("L")), None
    coloured = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    paper = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(paper, coloured).convert("L")), None
