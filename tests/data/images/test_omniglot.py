"""Omniglot: the published counts, disjoint splits, and one clear message for files that are not right."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from metamann.data import download
from metamann.data.images import omniglot as omniglot_module
from metamann.data.images.omniglot import LAKE_VALIDATION, omniglot
from metamann.data.store import DataSplits
from metamann.errors import ConfigError, DataError

PARTS = ("train", "val", "test")


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty data and cache folders, and no way to download: the folder for the archives."""
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(omniglot_module, "PUBLIC_ARCHIVES", "http://127.0.0.1:9/python")
    monkeypatch.setattr(omniglot_module, "PUBLIC_SPLITS", "http://127.0.0.1:9/splits")
    monkeypatch.setattr(download, "TIMEOUT_S", 2)
    folder = tmp_path / "data" / "omniglot"
    folder.mkdir(parents=True)
    return folder


def upright(splits: DataSplits, part: str) -> set[str]:
    return {name.partition("@")[0] for name in splits.split(part).class_names}


def test_vinyals_split_has_the_published_counts(omniglot_data: Path) -> None:
    splits = omniglot("vinyals")
    assert [splits.split(part).n_classes for part in PARTS] == [4112, 688, 1692]
    assert [len(upright(splits, part)) for part in PARTS] == [1028, 172, 423]
    assert [splits.split(part).items.shape for part in PARTS] == [
        (20 * classes, 1, 28, 28) for classes in (4112, 688, 1692)
    ]
    assert splits.train.items.dtype == torch.uint8


@pytest.mark.parametrize("split", ["vinyals", "lake"])
def test_all_characters_are_dealt_once(omniglot_data: Path, split: str) -> None:
    splits = omniglot(split, rotations=False)  # type: ignore[arg-type]
    names = [name for part in PARTS for name in splits.split(part).class_names]
    assert len(names) == len(set(names)) == 1623
    assert len({name.partition("/")[0] for name in names}) == 50
    assert sum(len(splits.split(part).items) for part in PARTS) == 32460
    assert all((splits.split(part).class_sizes == 20).all() for part in PARTS)


def test_lake_split_is_by_alphabet(omniglot_data: Path) -> None:
    splits = omniglot("lake", rotations=False)
    alphabets = [set(splits.split(part).groups) for part in PARTS]
    assert [len(each) for each in alphabets] == [25, 5, 20]
    assert alphabets[1] == set(LAKE_VALIDATION)
    assert not alphabets[0] & alphabets[1]
    assert not (alphabets[0] | alphabets[1]) & alphabets[2]
    assert splits.test.n_classes == 659
    assert splits.train.n_classes + splits.val.n_classes == 964


def test_rotations_are_quarter_turns_of_the_same_drawings(omniglot_data: Path) -> None:
    plain, rotated = omniglot(rotations=False).val, omniglot().val
    for number in (0, 100, 171):
        for turns in range(4):
            name = plain.class_names[number] + (f"@{90 * turns}" if turns else "")
            images = rotated.images_of(rotated.class_names.index(name))
            assert torch.equal(images, torch.rot90(plain.images_of(number), turns, (2, 3)))


def test_mirrored_classes_are_for_training_alone(omniglot_data: Path) -> None:
    plain, mirrored = omniglot(rotations=False), omniglot(rotations=False, train_mirrors=True)
    assert [mirrored.split(part).n_classes for part in PARTS] == [2 * 1028, 172, 423]
    assert torch.equal(mirrored.train.images_of(1028 + 7), plain.train.images_of(7).flip(-1))


def test_drawings_are_those_of_the_archive_in_ink(omniglot_data: Path) -> None:
    store = omniglot("lake", rotations=False).train
    number = store.class_names.index("Greek/character05")
    with zipfile.ZipFile(omniglot_data / "images_background.zip") as archive:
        files = sorted(name for name in archive.namelist() if "/Greek/character05/" in name and name.endswith(".png"))
        originals = [Image.open(io.BytesIO(archive.read(name))).convert("L") for name in files]
    assert len(originals) == 20
    for image, original in zip(store.images_of(number), originals, strict=True):
        expected = 255 - torch.tensor(list(original.resize((28, 28), Image.Resampling.LANCZOS).tobytes()))
        assert torch.equal(image.flatten().long(), expected)
    assert store.items[:, :, 0].float().mean() < 30 < store.items[:, :, 14].float().mean()  # dark edge, ink inside


def test_the_cache_is_used_again(omniglot_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = omniglot("lake", rotations=False).test

    def decoded_again(*_: object) -> None:
        raise AssertionError("decoded although it was cached")

    monkeypatch.setattr(omniglot_module, "_decode", decoded_again)
    again = omniglot("lake", rotations=False).test
    assert again.fingerprint == first.fingerprint


def test_a_smaller_size_is_a_cache_of_its_own(omniglot_data: Path) -> None:
    small = omniglot("vinyals", size=20, rotations=False).val
    assert small.items.shape == (172 * 20, 1, 20, 20)
    assert omniglot("vinyals", rotations=False).val.items.shape[2:] == (28, 28)


@pytest.mark.parametrize("missing", ["both", "images_evaluation.zip"])
def test_missing_archives_are_named_with_their_folder(nothing: Path, missing: str) -> None:
    if missing != "both":
        (nothing / "images_background.zip").write_bytes(b"here, and not looked into yet")
    with pytest.raises(DataError) as error:
        omniglot()
    for part in (
        "images_background.zip",
        "images_evaluation.zip",
        str(nothing),
        "METAMANN_DATA",
        "cannot be downloaded",
    ):
        assert part in str(error.value)


def test_a_truncated_archive_is_named(omniglot_data: Path, nothing: Path) -> None:
    whole = (omniglot_data / "images_background.zip").read_bytes()
    (nothing / "images_background.zip").write_bytes(whole[: len(whole) // 2])
    shutil.copy(omniglot_data / "images_evaluation.zip", nothing)
    with pytest.raises(DataError, match=r"images_background\.zip is truncated or no zip archive"):
        omniglot()


def test_an_archive_with_damaged_bytes_is_named(omniglot_data: Path, nothing: Path) -> None:
    path = nothing / "images_background.zip"
    content = bytearray((omniglot_data / path.name).read_bytes())
    with zipfile.ZipFile(omniglot_data / path.name) as archive:
        first = min(
            (entry for entry in archive.infolist() if entry.filename.endswith(".png")), key=lambda e: e.filename
        )
    start = first.header_offset + 30 + len(first.filename) + 60
    for position in range(start, start + 40):
        content[position] ^= 255
    path.write_bytes(content)
    shutil.copy(omniglot_data / "images_evaluation.zip", nothing)
    with pytest.raises(DataError, match=r"images_background\.zip"):
        omniglot()


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_archives_of_something_else_are_refused_with_the_counts(nothing: Path) -> None:
    drawing = io.BytesIO()
    Image.new("1", (105, 105)).save(drawing, "png")
    zipped(nothing / "images_background.zip", {"images_background/Greek/character01/0001_01.png": drawing.getvalue()})
    zipped(nothing / "images_evaluation.zip", {"readme.txt": b"nothing"})
    with pytest.raises(DataError, match=r"'characters': 1623.*'characters': 1"):
        omniglot()


def test_a_drawing_that_is_no_image_is_refused(nothing: Path) -> None:
    for name in ("images_background", "images_evaluation"):
        zipped(nothing / f"{name}.zip", {f"{name}/Greek/character01/0001_01.png": b"no image"})
    with pytest.raises(DataError, match="images_background"):
        omniglot()


@pytest.mark.parametrize(
    ("lines", "message"),
    [("Greek/character99/rot000\n", "names Greek/character99"), ("", "no classes"), (None, "share")],
    ids=["unknown", "empty", "shared"],
)
def test_split_files_that_are_not_right_are_refused(
    omniglot_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str | None, message: str
) -> None:
    shutil.copytree(omniglot_data / "splits", tmp_path / "omniglot" / "splits", copy_function=shutil.copyfile)
    for name in ("images_background.zip", "images_evaluation.zip"):
        (tmp_path / "omniglot" / name).symlink_to(omniglot_data / name)
    splits = tmp_path / "omniglot" / "splits" / "vinyals"
    splits.chmod(0o755)
    (splits / "val.txt").write_text((splits / "test.txt").read_text() if lines is None else lines)
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path))
    with pytest.raises(DataError, match=message):
        omniglot(rotations=False)


@pytest.mark.parametrize(("option", "value"), [("split", "matching"), ("size", 7), ("size", 106)])
def test_unknown_arguments_are_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{option}={value}"):
        omniglot(**{option: value})  # type: ignore[arg-type]
