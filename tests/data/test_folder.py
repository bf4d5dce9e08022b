"""A user's own images: any mode, any size, ink is 255, and splits that never share a class."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from metamann.data.folder import folder
from metamann.errors import DataError

ALL_TEST = {"shares": (0, 0, 1)}


def disc(mode: str = "L", size: tuple[int, int] = (40, 40), paper: Any = 255, ink: Any = 0) -> Image.Image:
    image = Image.new(mode, size, paper)
    width, height = size
    ImageDraw.Draw(image).ellipse((width / 4, height / 4, 3 * width / 4, 3 * height / 4), fill=ink)
    return image


def put(root: Path, name: str, image: Image.Image | None = None) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or disc()).save(path)
    return path


def assert_ink_in_the_middle(image: torch.Tensor, ink: int = 255) -> None:
    assert image.shape == (1, 28, 28)
    assert image.dtype == torch.uint8
    assert max(image[0, :3].max(), image[0, :, -3:].max()) < 20  # resampling rings a little
    assert (image[0, 12:16, 12:16].int() - ink).abs().max() <= 2


@pytest.mark.parametrize(
    ("image", "ink"),
    [
        (disc(), 255),
        (disc("1", paper=1), 255),
        (disc("RGB", paper=(255, 255, 255), ink=(0, 0, 0)), 255),
        (disc("RGB", paper=(255, 255, 255), ink=(255, 0, 0)), 255 - 76),
        (disc("RGBA", paper=(0, 0, 0, 0), ink=(0, 0, 0, 255)), 255),
        (disc("LA", paper=(0, 0), ink=(0, 255)), 255),
        (disc("RGB", paper=(255, 255, 255), ink=(0, 0, 0)).convert("P"), 255),
        (disc(size=(200, 200)), 255),
        (disc(size=(10, 10)), 255),
        (disc(paper=0, ink=255), 255),
        (disc("RGB", paper=(0, 0, 0), ink=(255, 255, 255)), 255),
        (disc("1", paper=0, ink=1), 255),
    ],
    ids=["L", "1", "RGB", "red", "RGBA", "LA", "P", "large", "small", "light-L", "light-RGB", "light-1"],
)
def test_ink_is_255_and_paper_0_for_any_image(tmp_path: Path, image: Image.Image, ink: int) -> None:
    put(tmp_path, "disc/0.png", image)
    assert_ink_in_the_middle(folder(str(tmp_path), **ALL_TEST).test.items[0], ink)


@pytest.mark.parametrize("size", [(60, 30), (30, 60)])
@pytest.mark.parametrize("light", [False, True])
def test_images_that_are_not_square_are_padded_with_paper(tmp_path: Path, size: tuple[int, int], light: bool) -> None:
    put(tmp_path, "disc/0.png", disc(size=size, paper=255 * (not light), ink=255 * light))
    image = folder(str(tmp_path), **ALL_TEST).test.items[0, 0]
    wide = image if size[0] > size[1] else image.T
    assert wide[:7].max() == wide[-7:].max() == 0
    assert wide[14, 8:20].min() > 200


def test_ink_can_be_told(tmp_path: Path) -> None:
    put(tmp_path, "frame/0.png", disc())
    dark, light = (folder(str(tmp_path), ink=ink, **ALL_TEST).test.items[0] for ink in ("dark", "light"))  # type: ignore[arg-type]
    assert_ink_in_the_middle(dark)
    assert_ink_in_the_middle(255 - light)


def test_orientation_from_a_camera_is_applied(tmp_path: Path) -> None:
    image = Image.new("L", (40, 40), 255)
    ImageDraw.Draw(image).rectangle((0, 10, 10, 30), fill=0)  # ink at the left
    exif = Image.Exif()
    exif[0x0112] = 3  # to be turned by 180 degrees
    (tmp_path / "photo").mkdir()
    image.save(tmp_path / "photo/0.jpg", exif=exif, quality=95)
    seen = folder(str(tmp_path), ink="dark", **ALL_TEST).test.items[0, 0].float()
    assert seen[:, 20:].sum() > 10 * seen[:, :14].sum()


@pytest.mark.parametrize("size", [16, 28, 50])
def test_images_are_brought_to_the_size(tmp_path: Path, size: int) -> None:
    put(tmp_path, "a/0.png", disc(size=(33, 21)))
    put(tmp_path, "b/0.png", disc(size=(90, 91)))
    assert folder(str(tmp_path), size=size, **ALL_TEST).test.items.shape == (2, 1, size, size)


def test_classes_groups_and_images_follow_the_folders(tmp_path: Path) -> None:
    for name in ("greek/alpha/1.png", "greek/alpha/0.png", "greek/beta/0.jpg", "latin/a/0.PNG", "plain/0.bmp"):
        put(tmp_path, name)
    (tmp_path / "greek/alpha/notes.txt").write_text("not an image")
    (tmp_path / "empty").mkdir()
    store = folder(str(tmp_path), **ALL_TEST).test
    assert store.class_names == ("greek/alpha", "greek/beta", "latin/a", "plain")
    assert store.groups == ("greek", "greek", "latin", tmp_path.name)
    assert store.class_sizes.tolist() == [2, 1, 1, 1]


def draw_classes(root: Path, groups: int = 5, classes: int = 4) -> None:
    for group in range(groups):
        for number in range(classes):
            put(root, f"group{group}/class{number}/0.png")


@pytest.mark.parametrize(
    ("shares", "counts"),
    [((0.6, 0.2, 0.2), (12, 4, 4)), ((0, 0, 1), (0, 0, 20)), ((1, 0, 0), (20, 0, 0)), ((0.33, 0.33, 0.34), (7, 6, 7))],
)
def test_shares_of_the_classes_are_dealt(tmp_path: Path, shares: tuple[float, ...], counts: tuple[int, ...]) -> None:
    draw_classes(tmp_path)
    splits = folder(str(tmp_path), shares=shares)
    stores = [splits.split(name) for name in ("train", "val", "test")]
    assert tuple(store.n_classes for store in stores) == counts
    names = [name for store in stores for name in store.class_names]
    assert len(names) == len(set(names)) == 20


def test_a_split_by_group_keeps_groups_whole(tmp_path: Path) -> None:
    draw_classes(tmp_path)
    splits = folder(str(tmp_path), split_by="group")
    groups = [set(splits.split(name).groups) for name in ("train", "val", "test")]
    assert [len(each) for each in groups] == [3, 1, 1]
    assert len(set().union(*groups)) == 5
    assert splits.train.n_classes == 12


def test_the_split_follows_from_the_seed(tmp_path: Path) -> None:
    draw_classes(tmp_path)
    trains = [folder(str(tmp_path), seed=seed).train.class_names for seed in (0, 0, 1, 2)]
    assert trains[0] == trains[1]
    assert len(set(trains)) == 3


def test_rotations_of_a_class_stay_in_its_split(tmp_path: Path) -> None:
    draw_classes(tmp_path)
    upright, rotated = folder(str(tmp_path)), folder(str(tmp_path), rotations=True)
    for name in ("train", "val", "test"):
        assert rotated.split(name).n_classes == 4 * upright.split(name).n_classes
        assert {each.partition("@")[0] for each in rotated.split(name).class_names} == set(
            upright.split(name).class_names
        )


def test_an_at_sign_in_a_folder_name_is_no_rotation(tmp_path: Path) -> None:
    for name in ("a@90/0.png", "a/0.png", "b/0.png"):
        put(tmp_path, name)
    splits = folder(str(tmp_path), shares=(0.34, 0.33, 0.33))
    assert sum(splits.split(name).n_classes for name in ("train", "val", "test")) == 3


@pytest.mark.parametrize("content", [b"", b"GIF of nothing", None])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    put(tmp_path, "a/0.png")
    broken = put(tmp_path, "a/1.png", Image.effect_noise((64, 64), 90))
    broken.write_bytes(broken.read_bytes()[:300] if content is None else content)
    with pytest.raises(DataError, match=r"a/1\.png cannot be read as an image"):
        folder(str(tmp_path))


def test_an_image_that_claims_to_be_huge_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, "a/0.png")
    header = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    rest = path.read_bytes()[33:]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + rest
    )
    with pytest.raises(DataError, match=r"a/0\.png cannot be read as an image"):
        folder(str(tmp_path))


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif"])
def test_damaged_bytes_are_read_or_named_never_a_traceback(tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path, f"a/0.{suffix}", Image.effect_noise((32, 32), 90))
    whole = path.read_bytes()
    rng = random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
        try:
            folder(str(tmp_path), **ALL_TEST)
        except DataError as error:
            assert path.name in str(error)  # noqa: PT017  # both outcomes are right


@pytest.mark.parametrize(
    "make", [lambda root: None, lambda root: (root / "a").mkdir(), lambda root: put(root, "0.png")]
)
def test_a_folder_without_classes_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=r"no folder below .* holds images; the layout is"):
        folder(str(tmp_path))


@pytest.mark.parametrize("name", ["nowhere", "file.txt"])
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(DataError, match=name):
        folder(str(tmp_path / name))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.6, 0.2), (1.2, -0.1, -0.1), (0.2, 0.2, 0.2)])
def test_shares_that_make_no_whole_are_refused(tmp_path: Path, shares: tuple[float, ...]) -> None:
    put(tmp_path, "a/0.png")
    with pytest.raises(DataError, match=r"shares=\["):
        folder(str(tmp_path), shares=shares)


@pytest.mark.parametrize(
    ("option", "value"), [("size", 0), ("size", -28), ("split_by", "alphabet"), ("ink", "blue"), ("seed", -1)]
)
def test_options_out_of_range_are_refused_by_name(tmp_path: Path, option: str, value: Any) -> None:
    put(tmp_path, "a/0.png")
    with pytest.raises(DataError, match=option):
        folder(str(tmp_path), **{option: value})


def test_one_image_in_other_folders_is_the_same(tmp_path: Path) -> None:
    put(tmp_path, "one/a/0.png", disc(size=(37, 37)))
    put(tmp_path, "two/b/0.png", disc(size=(37, 37)))
    one, two = (folder(str(tmp_path / name), **ALL_TEST).test.items for name in ("one", "two"))
    assert np.array_equal(one, two)
