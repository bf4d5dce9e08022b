"""Omniglot [L15]: 1,623 handwritten characters of 50 alphabets, 20 drawings each.

References:
    [L15] Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program
        induction, Science 350(6266), 2015.
    [V16] Vinyals et al., Matching Networks for One Shot Learning, 2016 (the `vinyals` split).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from metamann.data.cache import cached, data_folder, expect
from metamann.data.download import fetch
from metamann.data.store import ClassStore, DataSplits
from metamann.errors import DataError, check_choice, check_number

ARCHIVES = ("images_background", "images_evaluation")
FRAME = 105  # pixels
DRAWINGS = 20
COUNTS = {"alphabets": 50, "characters": 1623, "images": 32460}
PUBLIC_ARCHIVES = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
PUBLIC_SPLITS = (
    "https://raw.githubusercontent.com/jakesnell/prototypical-networks/"
    "c9bb4d258267c11cb6e23f0a19242d24ca98ad8a/data/omniglot/splits/vinyals"
)
# of the drawings as they were published: any container, the same pixels
SPLIT_SHA256 = {
    "train": "984522c194c30fb6",
    "val": "11f99e54faee3e26",
    "test": "845264cc5c156180",
}
# five of the 30 background alphabets, different in style, held out from training for validation
LAKE_VALIDATION = ("Gujarati", "Hebrew", "Korean", "Latin", "Sanskrit")


def omniglot(
    split: Literal["vinyals", "lake"] = "vinyals", size: int = 28, rotations: bool = True, train_mirrors: bool = False
) -> DataSplits:
    """Read Omniglot and split its characters.

    Args:
        split: `vinyals`, 1,028 / 172 / 423 characters [V16], or `lake`, the background alphabets (five of
            them for validation) against the evaluation alphabets [L15].
        size: height and width of the images, pixels; 28 and 20 are usual.
        rotations: make every rotation by 90 degrees a class of its own, in all three splits.
        train_mirrors: make mirrored drawings further classes, in the training split only.

    Raises:
        DataError: if files are missing, damaged or not what was published.
        ConfigError: if an argument is unknown or out of range.
    """
    check_choice("data.split", split, ("vinyals", "lake"))
    check_number("data.size", size, least=8, most=FRAME, whole=True)  # usual are 28 and 20
    everything = _all_characters(size)
    number_of = {name: number for number, name in enumerate(everything.class_names)}
    stores = {}
    for part, names in (_vinyals_names() if split == "vinyals" else _lake_names(everything)).items():
        unknown = sorted(set(names) - set(number_of))
        if unknown:
            raise DataError(f"split '{part}' names {unknown[0]}, which Omniglot does not have; replace the file.")
        store = everything.subset(f"omniglot/{split}/{part}", [number_of[name] for name in names])
        stores[part] = store.with_rotations() if rotations else store
    if train_mirrors:
        stores["train"] = stores["train"].with_mirrors()
    return DataSplits(
        f"omniglot/{split}", stores["train"], stores["val"], stores["test"], disjoint_groups=split == "lake"
    )


def _all_characters(size: int) -> ClassStore:
    archives = [archive(name) for name in ARCHIVES]
    stamp = "-".join(str(path.stat().st_size) for path in archives)

    def use(made: dict[str, Tensor]) -> tuple[Tensor, list[str]]:
        names = bytes(expect(made["names"], torch.uint8, -1).tolist()).decode().split("\n")
        return expect(made["images"], torch.uint8, len(names) * DRAWINGS, 1, size, size), names

    images, names = cached(f"omniglot-{size}-{stamp}", lambda: _decode(archives, size), use)
    return ClassStore(
        "omniglot",
        images,
        tuple(names),
        tuple(name.partition("/")[0] for name in names),
        np.arange(len(names) + 1, dtype=np.int64) * DRAWINGS,
    )


def archive(name: str, folder: str = "") -> Path:
    """Path of one of Omniglot's archives, downloaded if need be.

    Args:
        name: of the file, without `.zip`.
        folder: of the public repository that holds it.

    Raises:
        DataError: if it is missing and cannot be downloaded.
    """
    path = data_folder() / "omniglot" / f"{name}.zip"
    if path.is_file():
        return path
    archives = "images_background.zip and images_evaluation.zip" if name in ARCHIVES else f"{name}.zip"
    return fetch(f"{PUBLIC_ARCHIVES}/{folder}{name}.zip", "omniglot", f"put {archives} in {path.parent}")


def ink(content: bytes, size: int, name: str) -> Tensor:
    """A drawing's PNG, decoded: `1 x size x size`, uint8, 0 for paper and 255 for ink.

    Raises:
        DataError: if it is no image.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as drawing:
            small = drawing.convert("L").resize((size, size), Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"a drawing of {name} is no image ({error}); replace its archive.") from error
    return torch.from_numpy(255 - np.asarray(small, dtype=np.uint8)).unsqueeze(0)


def _decode(archives: list[Path], size: int) -> dict[str, Tensor]:
    """Decode every drawing once: `images x 1 x size x size`, ink 255, and the characters' names."""
    images: dict[str, list[Tensor]] = {}
    for path in archives:
        for name, content in _drawings(path):
            images.setdefault(name, []).append(ink(content, size, f"{name} in {path}"))
    counts = {
        "alphabets": len({name.partition("/")[0] for name in images}),
        "characters": len(images),
        "images": sum(len(drawings) for drawings in images.values()),
    }
    if counts != COUNTS or any(len(drawings) != DRAWINGS for drawings in images.values()):
        raise DataError(f"Omniglot has {COUNTS}, but {archives[0].parent} holds {counts}; replace the archives.")
    stacked = torch.stack([drawing for drawings in images.values() for drawing in drawings])
    names = np.frombuffer("\n".join(images).encode(), dtype=np.uint8)
    return {"images": stacked, "names": torch.from_numpy(names.copy())}


def _drawings(path: Path) -> Iterator[tuple[str, bytes]]:
    """`Alphabet/characterNN` and the PNG bytes of every drawing, sorted by name."""
    try:
        with zipfile.ZipFile(path) as opened:
            for name in sorted(opened.namelist()):
                if name.endswith(".png"):
                    yield "/".join(name.split("/")[-3:-1]), opened.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{path} is truncated or no zip archive ({error}); copy or download it again.") from error


def _vinyals_names() -> dict[str, list[str]]:
    names = {}
    for part, digest in SPLIT_SHA256.items():
        path = data_folder() / "omniglot" / "splits" / "vinyals" / f"{part}.txt"
        if not path.is_file():
            path = fetch(
                f"{PUBLIC_SPLITS}/{part}.txt", "omniglot/splits/vinyals", f"put {part}.txt in {path.parent}", digest
            )
        lines = path.read_text().split()
        # each character is listed once for each of its four rotations
        names[part] = sorted({line.rpartition("/")[0] for line in lines})
    return names


def _lake_names(everything: ClassStore) -> dict[str, list[str]]:
    with zipfile.ZipFile(archive("images_background")) as opened:
        background = {"/".join(name.split("/")[-3:-1]) for name in opened.namelist()}
    in_background = [name for name in everything.class_names if name in background]
    return {
        "train": [name for name in in_background if name.partition("/")[0] not in LAKE_VALIDATION],
        "val": [name for name in in_background if name.partition("/")[0] in LAKE_VALIDATION],
        "test": [name for name in everything.class_names if name not in background],
    }
