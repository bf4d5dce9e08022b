"""A user's own images: one folder for each class, parent folders as groups, optionally below train, val and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from metamann.data.images.files import LARGEST_MAX_PIXELS
from metamann.data.images.folders import ClassFolder, FolderContents, OwnSplits, find_class_folders, own_splits
from metamann.data.images.notes import image_notes
from metamann.data.images.reader import ReadImages, read_images
from metamann.data.sentences.store import PAIRS, PARTS
from metamann.data.shares import deal
from metamann.data.store import ClassStore, DataSplits, escape_marks, plain_name
from metamann.errors import DataError, check_number, check_seed, excerpt, shorten

LONGEST_PATH = 150  # characters of a message


def folder(
    path: str,
    size: int = 28,
    rotations: bool = False,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    split_by: Literal["class", "group"] = "class",
    ink: Literal["auto", "dark", "light"] = "auto",
    seed: int = 0,
    max_pixels: float = 50_000_000,
) -> DataSplits:
    """Read `path/class/*.png` or `path/group/class/*.png` and split the classes.

    Images of any size and mode are made grey, padded to a square and resized; transparent parts are paper. Those of
    more than 8 bits are scaled by the range of all such images of the folder, see `full_range`. Files that cannot be
    read, and those of systems and programs, are left out and counted in the notes.

    A folder that holds folders `train`, `val` and `test`, or two of them, under these or their other usual names, is
    read as these splits, and `shares` are not used.

    Args:
        path: the folder.
        size: height and width the images are brought to, pixels; the one a checkpoint was trained with.
        rotations: make every rotation by 90 degrees a class of its own.
        shares: of the classes (or groups) that train, validation and test get; `(0, 0, 1)` puts all in test.
        split_by: what is dealt out whole: a class, or a group with all its classes.
        ink: whether the drawings are dark on light or light on dark; `auto` judges by the border.
        seed: of the split.
        max_pixels: of an image; a larger one is left out before it is decoded.

    Raises:
        ConfigError: if a number is out of range.
        DataError: if there is no such folder, no image in it that can be read, an unknown option, or a class in two
            of the folder's own splits.
    """
    _check("split_by", split_by, ("class", "group"))
    _check("ink", ink, ("auto", "dark", "light"))
    check_number("data.size", size, least=1, whole=True)
    check_number("data.max_pixels", max_pixels, least=1, most=LARGEST_MAX_PIXELS)
    check_seed("data.seed", seed)
    root = _existing_folder(path)
    contents = find_class_folders(root)
    own = own_splits(contents)
    folders = [candidate for candidate in contents.classes if own is None or _is_class(own, candidate)]
    read = read_images(folders, size, ink, max_pixels)
    classes = [class_folder for class_folder, images in zip(folders, read.images, strict=True) if images]
    if not classes:
        raise DataError(_nothing_to_read(root, contents, read))

    # names start below the split, so that a class in two splits is detected
    names = [
        escape_marks("/".join(class_folder.parts if own is None else own.inner(class_folder)))
        for class_folder in classes
    ]
    tops = [root.name if own is None else class_folder.parts[own.level] for class_folder in classes]
    groups = [name.rpartition("/")[0] or escape_marks(top) for name, top in zip(names, tops, strict=True)]
    everything = ClassStore.from_classes(
        f"folder/{root.name}", [torch.stack(images) for images in read.images if images], names, groups
    )
    if own is not None:
        parts = {
            part: [n for n, class_folder in enumerate(classes) if own.part(class_folder) == part] for part in PARTS
        }
        _check_own_splits(root, parts, names, "class")
        if split_by == "group":
            _check_own_splits(root, parts, groups, "group")
    else:
        parts = deal(groups if split_by == "group" else names, shares, seed)
    stores = {}
    for part, numbers in parts.items():
        store = everything.subset(f"folder/{root.name}/{part}", numbers) if numbers else _empty(root, part, size)
        stores[part] = store.with_rotations() if rotations and numbers else store
    return DataSplits(
        f"folder/{root.name}",
        stores["train"],
        stores["val"],
        stores["test"],
        disjoint_groups=split_by == "group",
        notes=image_notes(root, contents, read, folders, own, parts, max_pixels),
        own=True,
    )


def _is_class(own: OwnSplits, candidate: ClassFolder) -> bool:
    """Whether a folder is a class of one of the folder's own splits."""
    return own.part(candidate) is not None and bool(own.inner(candidate))


def _existing_folder(path: str) -> Path:
    try:
        root = Path(str(path)).expanduser()
        if path != "" and root.is_dir():
            return root
        kind = "a file; unpack it if it is an archive, and" if root.is_file() else "no folder;"
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"data.path={shorten(path, LONGEST_PATH)} cannot be opened ({reason}); give another."
        ) from error
    raise DataError(
        f"data.path={shorten(path, LONGEST_PATH)} is {kind} give one that holds a folder of images for each class."
    )


def _nothing_to_read(root: Path, contents: FolderContents, read: ReadImages) -> str:
    where, left_out = excerpt(root), [*read.unreadable, *read.too_large]
    if left_out:
        name, reason = left_out[0]
        return (
            f"none of the {len(left_out):,} images below {where} can be read, such as {excerpt(name)} ({reason}); "
            + ("save them as PNG or JPEG." if read.unreadable else "make them smaller, or raise data.max_pixels.")
        )
    others = ", ".join(f"{number:,} {kind or 'without suffix'}" for kind, number in contents.others.most_common(3))
    seen = f" What there is: {excerpt(others)}." if others else ""
    return f"no folder below {where} holds images; the layout is CLASS/image.png or GROUP/CLASS/image.png.{seen}"


def _check_own_splits(root: Path, parts: dict[str, list[int]], units: Sequence[str], kind: str) -> None:
    """Check that no class or group is in two of the folder's own splits."""
    of_part = {part: {units[number] for number in numbers} for part, numbers in parts.items()}
    for first, second in PAIRS:
        shared = sorted(of_part[first] & of_part[second])
        if shared and kind == "class":
            raise DataError(
                f"{first} and {second} of {excerpt(root)} share {len(shared):,} classes, such as "
                f"{excerpt(plain_name(shared[0]))}; few-shot splits have different ones. Name one of the folders, "
                f"data.path=.../{first}: data.shares deals its classes."
            )
        if shared:
            raise DataError(
                f"{first} and {second} of {excerpt(root)} share the group {excerpt(plain_name(shared[0]))}; move it, "
                "or set data.split_by=class."
            )


def _check(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DataError(f"data.{option}={excerpt(value)} is unknown; choose {', '.join(known)}.")


def _empty(root: Path, part: str, size: int) -> ClassStore:
    """A part that the shares leave without classes; episodes from it are refused with its name."""
    nothing = torch.zeros((0, 1, size, size), dtype=torch.uint8)
    return ClassStore(f"folder/{root.name}/{part}", nothing, (), (), np.zeros(1, dtype=np.int64))
