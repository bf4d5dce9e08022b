"""A user's own images: one folder a class, parent folders as groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from metamann.data.shares import deal
from metamann.data.store import ClassStore, DataSplits
from metamann.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def folder(
    path: str,
    size: int = 28,
    rotations: bool = False,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    split_by: Literal["class", "group"] = "class",
    ink: Literal["auto", "dark", "light"] = "auto",
    seed: int = 0,
) -> DataSplits:
    """Read `path/class/*.png` or `path/group/class/*.png` and split the classes.

    Images of any size and mode are made grey, padded to a square and resized; transparent parts are paper.

    Args:
        path: the folder.
        size: height and width the images are brought to, pixels; the one a checkpoint was trained with.
        rotations: make every rotation by 90 degrees a class of its own.
        shares: of the classes (or groups) that train, validation and test get; `(0, 0, 1)` puts all in test.
        split_by: what is dealt out whole: a class, or a group with all its classes.
        ink: whether the drawings are dark on light or light on dark; `auto` judges by the border.
        seed: of the split.

    Raises:
        DataError: if there is no such folder, no image in it, an image that cannot be read, or an unknown option.
    """
    _check("split_by", split_by, ("class", "group"))
    _check("ink", ink, ("auto", "dark", "light"))
    if size < 1 or seed < 0:
        raise DataError(f"data.size={size} must be at least 1 and data.seed={seed} at least 0.")
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"data.path={path} is no folder; give one that holds a folder of images for each class.")
    class_folders = sorted(each for each in root.rglob("*") if each.is_dir() and _images_in(each))
    if not class_folders:
        raise DataError(f"no folder below {root} holds images; the layout is CLASS/image.png or GROUP/CLASS/image.png.")
    names = [each.relative_to(root).as_posix().replace("@", "_") for each in class_folders]
    groups = [name.rpartition("/")[0] or root.name for name in names]
    images = [torch.stack([_read(file, size, ink) for file in _images_in(each)]) for each in class_folders]
    everything = ClassStore.from_classes(f"folder/{root.name}", images, names, groups)
    parts = deal(groups if split_by == "group" else names, shares, seed)
    stores = {}
    for part, numbers in parts.items():
        store = everything.subset(f"folder/{root.name}/{part}", numbers) if numbers else _empty(root, part, size)
        stores[part] = store.with_rotations() if rotations and numbers else store
    return DataSplits(
        f"folder/{root.name}", stores["train"], stores["val"], stores["test"], disjoint_groups=split_by == "group"
    )


def _images_in(directory: Path) -> list[Path]:
    return sorted(file for file in directory.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES)


def _read(file: Path, size: int, ink: str) -> Tensor:
    try:
        with Image.open(file) as opened:
            coloured = ImageOps.exif_transpose(opened).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise DataError(
            f"{file} cannot be read as an image ({error}); repair it or take it out of the folder."
        ) from error
    paper = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
    grey = np.asarray(Image.alpha_composite(paper, coloured).convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    dark_on_light = ink == "dark" or (ink == "auto" and np.median(border) > 127)
    inked = 255 - grey if dark_on_light else grey
    square = ImageOps.pad(Image.fromarray(inked), (size, size), Image.Resampling.LANCZOS, color=0)
    return torch.from_numpy(np.array(square, dtype=np.uint8)).unsqueeze(0)


def _check(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DataError(f"data.{option}={value} is unknown; choose {', '.join(known)}.")


def _empty(root: Path, part: str, size: int) -> ClassStore:
    """A part that the shares leave without classes; episodes from it are refused with its name."""
    nothing = torch.zeros((0, 1, size, size), dtype=torch.uint8)
    return ClassStore(f"folder/{root.name}/{part}", nothing, (), (), np.zeros(1, dtype=np.int64))
