"""A user's own images: any mode, any size, ink is 255, and splits that never share a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from messages import names
from pictures import disc, encoded, png, put
from PIL import Image, ImageDraw

from metamann.data.images.folder import folder
from metamann.data.store import DataSplits, plain_name, upright_names
from metamann.errors import DataError, MetamannError, excerpt

ALL_TEST = {"shares": (0, 0, 1)}


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


def note(splits: DataSplits, about: str) -> str:
    """The one note about something."""
    (line,) = [line for line in splits.notes if about in line]
    return line


def test_what_was_found_is_said_in_one_line(tmp_path: Path) -> None:
    draw_classes(tmp_path, groups=2, classes=5)
    (line,) = folder(str(tmp_path)).notes
    assert names(line, excerpt(tmp_path), " 10 classes", " 10 images", "train 6", "val 2", "test 2")


@pytest.mark.parametrize("content", [b"", b"GIF of nothing", None])
def test_an_image_that_cannot_be_read_is_left_out_and_named(tmp_path: Path, content: bytes | None) -> None:
    for name in ("a/0.png", "a/2.png", "b/0.png"):
        put(tmp_path, name)
    broken = put(tmp_path, "a/1.png", Image.effect_noise((64, 64), 90))
    broken.write_bytes(broken.read_bytes()[:300] if content is None else content)
    splits = folder(str(tmp_path), **ALL_TEST)
    assert splits.test.class_sizes.tolist() == [2, 1]
    assert names(note(splits, "cannot be read"), "1 image ", "left out", " a/1.png (")


def test_a_class_of_which_nothing_can_be_read_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/0.png")
    for name in ("b", "empty", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / "b/0.png").write_bytes(b"broken")
    (tmp_path / "photos/x.heic").touch()
    splits = folder(str(tmp_path), **ALL_TEST)
    assert splits.test.class_names == ("a",)
    assert names(note(splits, "folders without an image"), "3 folders", "left out", " b, empty, photos")


def test_nothing_that_can_be_read_is_one_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"none of the 2 images .* a/0\.png .*save them as PNG"):
        folder(str(tmp_path))
    for name in ("a", "b"):
        put(tmp_path, f"{name}/0.png")
    with pytest.raises(DataError, match=r"none of the 2 images .*40 x 40 pixels.* raise data\.max_pixels"):
        folder(str(tmp_path), max_pixels=1599)


def test_an_image_of_too_many_pixels_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.png").write_bytes(png(13_000, 13_000))
    put(tmp_path, "a/1.png")
    splits = folder(str(tmp_path), max_pixels=5e7, **ALL_TEST)
    assert splits.test.class_sizes.tolist() == [1]
    parts = ("1 image ", "over 50,000,000 pixels", "left out", " a/0.png (13,000 x 13,000 pixels)")
    assert names(note(splits, "pixels"), *parts)


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path: Path) -> None:
    put(tmp_path, "a/0.png")
    for name in ("x.heic", "Y.HEIC", "z.svg", "notes.txt", "Makefile"):
        (tmp_path / "a" / name).touch()
    os.mkfifo(tmp_path / "a/pipe.png")  # to open it would take for ever
    splits = folder(str(tmp_path), **ALL_TEST)
    assert splits.test.class_sizes.tolist() == [1]
    assert note(splits, "other kinds").startswith("6 files of other kinds not read: 2 .heic, ")
    assert all(f"1 {kind}" in note(splits, "other kinds") for kind in (".svg", ".txt", ".png", "without suffix"))


def test_images_in_no_class_folder_are_said(tmp_path: Path) -> None:
    put(tmp_path, "a/0.png")
    put(tmp_path, "loose.png")
    assert note(folder(str(tmp_path)), "no class") == "1 image in no class folder, left out: loose.png"


HIDDEN = [
    ".ipynb_checkpoints/0-checkpoint.png", "__MACOSX/a/._0.png", "a/._0.png", "a/.DS_Store", "a/Thumbs.db",
    "b/desktop.ini", "@eaDir/a/0.png", ".git/objects/0.png", "a/.thumbnails/0.png", "b/Desktop.INI", "#recycle/c/0.png",
    "$RECYCLE.BIN/c/0.png", "lost+found/0.png", "System Volume Information/0.png", "b/__pycache__/0.png",
]  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_what_systems_and_programs_leave_is_skipped_and_counted(tmp_path: Path, name: str) -> None:
    for plain in ("a/0.png", "b/0.png"):
        put(tmp_path, plain)
    before = folder(str(tmp_path), **ALL_TEST)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(encoded(disc(), "PNG"))
    splits = folder(str(tmp_path), **ALL_TEST)
    assert splits.test.fingerprint == before.test.fingerprint
    assert note(splits, "hidden").startswith("1 hidden or system name skipped: ")


def test_a_few_of_many_names_are_said(tmp_path: Path) -> None:
    put(tmp_path, "a/0.png")
    for number in range(8):
        put(tmp_path, f"a/._{number}.png")
    some = "a/._0.png, a/._1.png, a/._2.png, a/._3.png, a/._4.png and 3 more"
    assert names(note(folder(str(tmp_path)), "hidden"), "8 hidden", "skipped", some)


def test_a_folder_that_is_itself_hidden_is_the_users_choice(tmp_path: Path) -> None:
    put(tmp_path, ".data/a/0.png")
    assert folder(str(tmp_path / ".data"), **ALL_TEST).test.class_names == ("a",)


def test_animations_are_their_first_picture_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "a/0.gif", disc(), save_all=True, append_images=[disc(paper=0, ink=255)])
    splits = folder(str(tmp_path), ink="dark", **ALL_TEST)
    assert_ink_in_the_middle(splits.test.items[0])
    assert names(note(splits, "animated"), "1 file ", "the first picture")


DEPTHS = [
    (np.uint16, 65535, 0, "png", "0 is shown black, 65,535 white"),
    (np.uint16, 65535, 0, "tif", "0 is shown black, 65,535 white"),
    (np.uint16, 4000, 100, "png", "0 is shown black, 4,095 white"),
    (np.uint16, 40000, 0, "pgm", "0 is shown black, 65,535 white"),
    (np.int32, 60000, 500, "tif", "0 is shown black, 65,535 white"),
    (np.int32, 400, -1000, "tif", "-1,000 is shown black, 400 white"),
    (np.float32, 1, 0, "tif", "0 is shown black, 1 white"),
    (np.float32, 250, 10, "tif", "0 is shown black, 255 white"),
    (np.float32, 0.002, 0.001, "tif", "white"),
]


@pytest.mark.parametrize(("dtype", "paper", "ink", "suffix", "range_"), DEPTHS)
def test_images_of_more_than_8_bits_are_shown_and_not_white(
    tmp_path: Path, dtype: Any, paper: float, ink: float, suffix: str, range_: str
) -> None:
    mask = np.asarray(disc()) == 0
    put(tmp_path, f"a/0.{suffix}", Image.fromarray(np.where(mask, ink, paper).astype(dtype)))
    splits = folder(str(tmp_path), ink="auto", **ALL_TEST)
    image = splits.test.items[0, 0].int()
    assert image[12:16, 12:16].min() - image[:3].max() > 100
    assert note(splits, "is shown black").startswith("1 image of ")
    assert range_ in note(splits, "is shown black")


def test_deep_images_are_compared_with_one_another(tmp_path: Path) -> None:
    for name, value in (("a/0", 10_000), ("b/0", 20_000), ("c/0", 60_000)):
        put(tmp_path, f"{name}.png", Image.fromarray(np.full((9, 9), value, dtype=np.uint16)))
    put(tmp_path, "d/0.png", Image.new("L", (9, 9), 100))
    splits = folder(str(tmp_path), ink="light", **ALL_TEST)
    assert splits.test.items[:, 0, 14, 14].tolist() == [39, 78, 233, 100]
    assert note(splits, "one shade") == "4 images of one shade all over"


def test_names_with_an_at_sign_are_names_of_their_own(tmp_path: Path) -> None:
    names = ["c@1", "c_1", "c@@1", "c", "c@90", "g@90/c"]
    for name in names:
        put(tmp_path, f"{name}/0.png")
    splits = folder(str(tmp_path), rotations=True, shares=(0.5, 0.2, 0.3))
    stores = [splits.split(part) for part in ("train", "val", "test")]
    assert sum(store.n_classes for store in stores) == 4 * len(names)
    upright = set().union(*map(upright_names, stores))
    assert {plain_name(name) for name in upright} == set(names)


def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path, "outside/K/0.png")
    put(tmp_path, "outside/sub/L/0.png")
    root = tmp_path / "images"
    put(root, "z/0.png")
    put(root, ".store/S/0.png")
    (root / "g").mkdir()
    for link, target in {
        "k": tmp_path / "outside/K", "g/sub": tmp_path / "outside/sub", "s": root / ".store/S", "a": root / "z",
        "g/back": root, "up": Path(".."), "self": Path("self"), "z/1.png": Path("gone.png"),
        "z/2.png": tmp_path / "outside/K/0.png",
    }.items():  # fmt: skip
        (root / link).symlink_to(target)
    splits = folder(str(root), **ALL_TEST)
    assert splits.test.class_names == ("g/sub/L", "k", "s", "z")
    assert splits.test.class_sizes.tolist() == [1, 1, 1, 2]
    assert names(note(splits, "link"), "5 links ", "passed over: ")


def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/0.png", "closed/0.png"):
        put(tmp_path, name)
    scandir = os.scandir

    def refusing(path: Path) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("metamann.data.images.folders.os.scandir", refusing)
    assert note(folder(str(tmp_path)), "cannot be opened") == "1 folder that cannot be opened, left out: closed"
    with pytest.raises(DataError, match=r"closed cannot be opened \(Permission denied\)"):
        folder(str(tmp_path / "closed"))


# folders that bring their splits along


def split_folder(root: Path, *names: str) -> Path:
    for name in names:
        put(root, f"{name}/0.png")
    return root


@pytest.mark.parametrize(
    "parts", [("train", "val", "test"), ("Train", "VALID", "Testing"), ("training", "validation", "test"),
              ("training_set", "val-images", "TestData"), ("TRAIN", "dev", "TEST")],
)  # fmt: skip
@pytest.mark.parametrize("inside", ["", "unpacked/archive"])
def test_a_folder_that_is_split_already_is_read_so(tmp_path: Path, parts: tuple[str, str, str], inside: str) -> None:
    train, val, test = parts
    split_folder(tmp_path / inside, f"{train}/a", f"{train}/g/b", f"{val}/c", f"{test}/d", f"{test}/e")
    splits = folder(str(tmp_path), **ALL_TEST)
    found = [splits.split(part).class_names for part in ("train", "val", "test")]
    assert found == [("a", "g/b"), ("c",), ("d", "e")]
    assert splits.train.groups == (train, "g")
    assert note(splits, "already") == f"the folder is split already: {', '.join(parts)}; data.shares is not used"


def test_a_split_may_be_missing(tmp_path: Path) -> None:
    splits = folder(str(split_folder(tmp_path, "train/a", "train/b", "test/c")))
    assert [splits.split(part).n_classes for part in ("train", "val", "test")] == [2, 0, 1]


@pytest.mark.parametrize(
    "names", [("train/a", "car/b"), ("train", "test"), ("train", "val", "test"), ("g/train", "g/test"), ("test/a",)]
)
def test_classes_that_are_called_like_splits_are_classes(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert folder(str(split_folder(tmp_path, *names)), **ALL_TEST).test.class_names == tuple(sorted(names))


def test_what_stands_beside_the_classes_of_its_own_splits_is_said(tmp_path: Path) -> None:
    split_folder(tmp_path, "train/a", "val/b", "test/c", "unlabelled/d")
    put(tmp_path, "test/0.png")
    splits = folder(str(tmp_path))
    assert names(note(splits, "beside the splits"), "1 folder ", "left out", " unlabelled/d")
    assert names(note(splits, "no class"), "1 image ", "left out", " test/0.png")


def test_own_splits_with_the_same_classes_are_refused_with_the_way_out(tmp_path: Path) -> None:
    split_folder(tmp_path, "train/a", "train/b@1", "test/a", "test/b@1")
    with pytest.raises(DataError, match=r"train and test .* share 2 classes, .*\ba; .*data\.path=.*/train"):
        folder(str(tmp_path))
    assert folder(str(tmp_path / "train"), **ALL_TEST).test.n_classes == 2


def test_groups_of_own_splits_are_whole_where_they_have_to_be(tmp_path: Path) -> None:
    split_folder(tmp_path, "train/g/a", "train/b", "val/h/c", "test/d")
    splits = folder(str(tmp_path), split_by="group")
    assert splits.disjoint_groups
    put(tmp_path, "test/g/e/0.png")
    assert folder(str(tmp_path)).test.n_classes == 2
    with pytest.raises(DataError, match=r"train and test .* group g; .*data\.split_by=class"):
        folder(str(tmp_path), split_by="group")


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    split_folder(tmp_path, "train/a", "val/b", "validation/c")
    with pytest.raises(DataError, match=r"val and validation .* are both read as 'val'"):
        folder(str(tmp_path))


# what a user can do wrong


@pytest.mark.parametrize(
    "make", [lambda root: None, lambda root: (root / "a").mkdir(), lambda root: put(root, "0.png")]
)
def test_a_folder_without_classes_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=r"no folder below .* holds images; the layout is"):
        folder(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "nowhere is no folder"), ("images.zip", r"images\.zip is a file; unpack it")]
)
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "images.zip").write_text("")
    with pytest.raises(DataError, match=message):
        folder(str(tmp_path / name))


@pytest.mark.parametrize("path", ["", "a\0b", "~nobody-of-this-name/x", "x" * 5000, "x/" * 5000])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(DataError, match=r"data\.path="):
        folder(path)


def test_a_number_can_be_the_name_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "2024/a/0.png")
    monkeypatch.chdir(tmp_path)
    assert folder(2024, **ALL_TEST).test.n_classes == 1  # type: ignore[arg-type]  # as Hydra gives it


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.5, 0.6, 0.2), (1.2, -0.1, -0.1), (0.2, 0.2, 0.2)])
def test_shares_that_make_no_whole_are_refused(tmp_path: Path, shares: tuple[float, ...]) -> None:
    put(tmp_path, "a/0.png")
    with pytest.raises(DataError, match=r"shares=\("):
        folder(str(tmp_path), shares=shares)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size", 0), ("size", -28), ("size", "large"), ("split_by", "alphabet"), ("ink", "blue"), ("seed", -1),
        ("seed", 2**64), ("max_pixels", 0), ("max_pixels", 1e9), ("max_pixels", 10**9),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_by_name(tmp_path: Path, option: str, value: Any) -> None:
    put(tmp_path, "a/0.png")
    with pytest.raises(MetamannError, match=option):
        folder(str(tmp_path), **{option: value})


def test_one_image_in_other_folders_is_the_same(tmp_path: Path) -> None:
    put(tmp_path, "one/a/0.png", disc(size=(37, 37)))
    put(tmp_path, "two/b/0.png", disc(size=(37, 37)))
    one, two = (folder(str(tmp_path / name), **ALL_TEST).test.items for name in ("one", "two"))
    assert np.array_equal(one, two)
