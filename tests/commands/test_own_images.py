"""Folders of images as people have them, evaluated, trained on, audited and learnt one class after another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import Ended, run
from messages import names
from PIL import Image

SIDE = 16
QUIET = ["episodes=20", "logger.wandb=false", "logger.tensorboard=false"]
FEW_SHOT = ["protocol=nway", "protocol.ways=5", "protocol.shots=1", "protocol.queries=3"]


def draw_six(root: Path) -> Path:
    """Six classes of five images, one pattern a class: any encoder tells them apart."""
    rng = np.random.default_rng(5)
    for number in range(6):
        (root / f"class{number}").mkdir(parents=True)
        pattern = rng.integers(0, 2, (4, 4)).repeat(4, 0).repeat(4, 1) * 200 + 20
        for drawing in range(5):
            grey = (pattern + rng.integers(0, 20, pattern.shape)).astype(np.uint8)
            Image.fromarray(grey).save(root / f"class{number}" / f"{drawing}.png")
    return root


@pytest.fixture
def six(tmp_path: Path) -> Path:
    """A folder to spoil."""
    return draw_six(tmp_path / "imgs")


@pytest.fixture(scope="module")
def unspoilt(trained: Ended, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The same folder, evaluated as it is."""
    return evaluated(trained, draw_six(tmp_path_factory.mktemp("unspoilt") / "imgs"))


def data(root: Path, *more: str) -> list[str]:
    return ["data=folder", f"data.path={root}", f"data.size={SIDE}", "data.shares=[0,0,1]", *more]


def evaluated(trained: Ended, root: Path, *options: str, protocol: list[str] = FEW_SHOT) -> Ended:
    cwd = root.parent / "evaluated"
    return run("evaluate", f"checkpoint={trained.run_directory}", *data(root), *protocol, *QUIET, *options, cwd=cwd)


def results(ended: Ended) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ended.run_directory / "results.json").read_text())
    return content


def accuracy(ended: Ended) -> float:
    return float(results(ended)["metrics"]["accuracy"]["mean"])


def notes(ended: Ended) -> list[str]:
    assert ended.status == 0, ended.err
    lines = ended.err.splitlines()
    assert all(line.startswith("note: ") for line in lines), ended.err
    return [line.removeprefix("note: ") for line in lines]


def test_what_was_found_is_said_and_nothing_else(unspoilt: Ended) -> None:
    (line,) = notes(unspoilt)
    assert line.endswith(": 6 classes, 30 images; classes of train 0, val 0, test 6")


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_images_are_told_apart_like_those_of_8_bits(
    trained: Ended, unspoilt: Ended, six: Path, dtype: Any
) -> None:
    for file in six.rglob("*.png"):
        values = np.asarray(Image.open(file)).astype(dtype) * (60 if dtype != np.float32 else 1 / 255)
        Image.fromarray(values.astype(dtype)).save(file.with_suffix(".tif"))
        file.unlink()
    deep = evaluated(trained, six)
    assert any("30 images of " in line for line in notes(deep))
    assert accuracy(deep) == pytest.approx(accuracy(unspoilt), abs=0.15)
    assert accuracy(deep) > 0.4


HIDDEN = {
    "img-hidden": ["class0/.ipynb_checkpoints/0-checkpoint.png", "class0/.DS_Store", "class3/Thumbs.db"],
    "img-hidden-many": [f"class{n}/.ipynb_checkpoints/{i}-checkpoint.png" for n in range(6) for i in range(5)],
    "img-macosx": [f"__MACOSX/class{n}/._{i}.png" for n in range(6) for i in range(5)],
    "nas": [f"class{n}/@eaDir/{i}.png/SYNOFILE_THUMB_M.png" for n in range(6) for i in range(5)],
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_systems_leave_changes_no_result(trained: Ended, unspoilt: Ended, six: Path, case: str) -> None:
    for name in HIDDEN[case]:
        (six / name).parent.mkdir(parents=True, exist_ok=True)
        image = name.endswith(".png") and "._" not in name
        shutil.copy(six / "class0/0.png", six / name) if image else (six / name).write_bytes(b"\0\5\x16\7" * 9)
    after = evaluated(trained, six)
    assert any("hidden or system name" in line for line in notes(after))
    for part in ("tasks_sha256", "metrics"):
        assert results(after)[part] == results(unspoilt)[part]


def test_a_class_with_too_few_images_is_left_out_and_named(trained: Ended, six: Path) -> None:
    for number in range(1, 5):
        (six / f"class0/{number}.png").unlink()
    ended = evaluated(trained, six)
    assert any("class0 (1)" in line and "1 of 6 classes" in line and "4 items" in line for line in notes(ended))
    assert results(ended)["protocol"]["classes"] == 5
    again = ["evaluate", f"checkpoint={trained.run_directory}", *data(six), *FEW_SHOT, *QUIET]
    tasks = f"tasks={ended.run_directory / 'tasks.npz'}"
    assert results(run(*again, tasks, cwd=six.parent / "again"))["metrics"] == results(ended)["metrics"]
    stream = evaluated(trained, six, protocol=["protocol=stream", "protocol.ways=3", "protocol.steps=12"])
    assert any("12 steps over 3 classes" in line and "class0 (1)" in line for line in notes(stream))


def test_too_few_classes_that_are_left_are_refused_with_their_names(trained: Ended, six: Path) -> None:
    for name in ("class0", "class4"):
        for number in range(2, 5):
            (six / name / f"{number}.png").unlink()
    error = evaluated(trained, six).error
    assert all(part in error for part in ("class0 (2), class4 (2)", "protocol.ways", "protocol.queries"))


@pytest.mark.parametrize("command", ["audit", "continual"])
def test_other_commands_leave_the_same_classes_out(trained: Ended, six: Path, command: str) -> None:
    for number in range(1, 5):
        (six / f"class0/{number}.png").unlink()
    options = {
        "audit": [f"checkpoint={trained.run_directory}", "episodes=40", "answered=20", *FEW_SHOT],
        "continual": [f"runs=[{trained.run_directory}]", "tasks=2", "classes=2", "shots=2", "queries=3", "episodes=2"],
    }
    ended = run(command, *options[command], *data(six), cwd=six.parent / command)
    assert ended.run_directory.is_dir()
    assert "class0 (1)" in ended.err


def test_files_that_cannot_be_read_are_named_and_the_rest_is_evaluated(trained: Ended, six: Path) -> None:
    (six / "class0/0.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (six / "class1/0.png").write_bytes((six / "class1/1.png").read_bytes()[:90])
    (six / "class2/photo.heic").touch()
    lines = notes(evaluated(trained, six))
    assert any(names(line, "2 images", "left out", "class0/0.png (") for line in lines)
    assert any(names(line, "1 file ", "not read", "1 .heic") for line in lines)


def test_the_limit_of_pixels_is_a_setting(trained: Ended, six: Path) -> None:
    assert "16 x 16 pixels" in evaluated(trained, six, "data.max_pixels=255").error
    assert "data.max_pixels" in evaluated(trained, six, "data.max_pixels=many").error


SPLITS = {"train": (0, 1), "val": (2, 3), "test": (4, 5)}


def split_already(root: Path, parts: dict[str, tuple[int, ...]]) -> Path:
    for part, numbers in parts.items():
        for number in numbers:
            shutil.copytree(root / f"class{number}", root.parent / "split" / part / f"class{number}")
    return root.parent / "split"


def training(tiny: list[str], root: Path, *more: str) -> Ended:
    options = ["protocol.ways=2", "protocol.steps=8", *more]
    return run("train", *tiny, f"data.path={root}", *options, cwd=root.parent / "train")


def test_a_folder_that_is_split_already_is_trained_on_as_it_is(tiny: list[str], six: Path) -> None:
    ended = training(tiny, split_already(six, SPLITS))
    assert "classes of train 2, val 2, test 2" in ended.err
    assert any(names(line, "split already", "train, val, test", "data.shares") for line in ended.err.splitlines())
    assert "2 training classes" in ended.err
    again = run("evaluate", f"checkpoint={ended.run_directory}", *QUIET, cwd=six.parent / "again")
    assert results(again)["protocol"]["classes"] == 2


def test_training_without_classes_to_validate_on_says_what_to_do(tiny: list[str], six: Path) -> None:
    error = training(tiny, split_already(six, {"train": (0, 1, 2), "test": (3, 4, 5)})).error
    assert all(part in error for part in ("split/val' has no classes", "a folder of its own"))


def test_the_classes_of_supervised_splits_are_refused_with_the_way_out(tiny: list[str], six: Path) -> None:
    root = split_already(six, {"train": (0, 1, 2, 3, 4, 5), "test": (0, 1, 2, 3, 4, 5)})
    error = training(tiny, root).error
    assert all(part in error for part in ("train and test", "share 6 classes", "class0", "data.path=.../train"))


@pytest.mark.parametrize("path", ["imgs/class0/0.png", "nowhere", "~nobody-of-this-name"])
def test_a_path_that_is_no_folder_is_one_line(trained: Ended, six: Path, path: str) -> None:
    where = path if path.startswith("~") else six.parent / path
    assert "data.path=" in evaluated(trained, six, f"data.path={where}").error
