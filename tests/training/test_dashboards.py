"""Mirrors of the record: they show what happened, and a broken one stops nobody."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from metamann.training.dashboards import Mirrors, TensorBoardDashboard


class Listener:
    """Notes what it is told; fails when it is told this."""

    def __init__(self, fails_at: str = "") -> None:
        self.heard: list[str] = []
        self.fails_at = fails_at

    def hear(self, what: str) -> None:
        self.heard.append(what)
        if what == self.fails_at:
            raise OSError("the server is gone")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.hear("scalars")

    def picture(self, step: int, name: str, file: Path) -> None:
        self.hear("picture")

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.hear("table")

    def page(self, name: str, file: Path) -> None:
        self.hear("page")

    def close(self) -> None:
        self.hear("close")


def tell_all(mirrors: Mirrors) -> None:
    mirrors.scalars(1, {"loss": 0.5})
    mirrors.picture(1, "episode", Path("episode.png"))
    mirrors.table("results", ["a"], [[1]])
    mirrors.page("sentences", Path("sentences.html"))
    mirrors.close()


ALL = ["scalars", "picture", "table", "page", "close"]


@pytest.mark.parametrize("fails_at", ALL)
def test_a_dashboard_that_fails_is_dropped_with_one_warning_and_the_others_go_on(fails_at: str) -> None:
    broken, sound = Listener(fails_at), Listener()
    mirrors = Mirrors({"broken": lambda: broken, "sound": lambda: sound})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tell_all(mirrors)
    assert sound.heard == ALL
    assert broken.heard == ALL[: ALL.index(fails_at) + 1]
    assert ["broken" in str(each.message) and "the server is gone" in str(each.message) for each in caught] == [True]


def test_a_dashboard_that_cannot_start_is_dropped_with_one_warning() -> None:
    sound = Listener()

    def refuse() -> Listener:
        raise ImportError("no such package")

    with pytest.warns(UserWarning, match="broken") as caught:
        mirrors = Mirrors({"broken": refuse, "sound": lambda: sound})
    tell_all(mirrors)
    assert len(caught) == 1
    assert sound.heard == ALL


def test_closing_twice_closes_once() -> None:
    listener = Listener()
    mirrors = Mirrors({"listener": lambda: listener})
    mirrors.close()
    mirrors.close()
    assert listener.heard == ["close"]


def picture(folder: Path) -> Path:
    Image.new("RGB", (30, 20), (200, 10, 10)).save(folder / "picture.png")
    return folder / "picture.png"


def test_tensorboard_shows_curves_pictures_and_tables(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    dashboard = TensorBoardDashboard(tmp_path)
    for step in (1, 2, 3):
        dashboard.scalars(step, {"train/loss": 1.0 / step, "train/accuracy": 0.25 * step})
    dashboard.picture(3, "test/episode", picture(tmp_path))
    dashboard.table("test/results", ["metric", "mean %"], [["accuracy", 97.5]])
    dashboard.page("test/sentences", Path("run/sentences.html"))
    dashboard.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(each.step, each.value) for each in events.Scalars("train/accuracy")] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert [each.step for each in events.Scalars("train/loss")] == [1, 2, 3]
    (image,) = events.Images("test/episode")
    assert (image.step, image.width, image.height) == (3, 30, 20)
    (text,) = events.Tensors("test/results/text_summary")
    (page,) = events.Tensors("test/sentences/text_summary")
    assert page.tensor_proto.string_val[0].decode() == "`run/sentences.html`"
    assert text.tensor_proto.string_val[0].decode() == "| metric | mean % |\n| --- | --- |\n| accuracy | 97.5 |"


def test_a_table_and_a_picture_of_one_name_are_both_there(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    mirrors = Mirrors({"tensorboard": lambda: TensorBoardDashboard(tmp_path)})
    mirrors.table("val/memory", ["statistic", "value"], [["used", 0.5]])
    mirrors.picture(3, "val/memory", picture(tmp_path))
    mirrors.page("val/memory", Path("run/memory.html"))
    mirrors.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Tags()["images"] == ["pictures/val/memory"]
    assert set(events.Tags()["tensors"]) == {"tables/val/memory/text_summary", "pages/val/memory/text_summary"}


# two runs at once, in two threads that wait for each other at each step
TWO_RUNS = """
from pathlib import Path
import threading
import wandb
from metamann.training.dashboards import Mirrors, WandbDashboard
together = threading.Barrier(2, timeout=60)
def work(number):
    folder = Path(f"run{number}")
    folder.mkdir()
    dashboard = Mirrors({"wandb": lambda: WandbDashboard(
        folder, {"seed": number, "protocol": {"ways": 5}}, "metamann-tests"
    )})
    together.wait()
    for step in (1, 2, 3):
        dashboard.scalars(step, {"train/loss": (number + 1) / step})
        together.wait()
    dashboard.picture(2, "val/memory", Path("picture.png"))
    dashboard.table("val/memory", ["metric", "mean %"], [["accuracy", 97.5]])
    page = folder / "page.html"
    page.write_text("<b>caf\u00e9</b>", encoding="utf-8")
    dashboard.page("val/sentences", page)
    dashboard.close()
threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert wandb.run is None
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of Weights & Biases at once in one process, by a user who is not logged in."""
    place = tmp_path_factory.mktemp("wandb")
    picture(place)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    ended = subprocess.run(
        [sys.executable, "-c", TWO_RUNS], cwd=place, env={**kept, "HOME": str(place)}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert (ended.stdout, ended.stderr) == ("", "")
    return place


@pytest.mark.parametrize("module", ["metamann.training.dashboards", "metamann.data.images.files"])
def test_formats_of_pictures_are_loaded_before_threads_can_open_the_first(module: str) -> None:
    loaded = f"import {module}; from PIL import Image; assert 'PNG' in Image.OPEN"
    subprocess.run([sys.executable, "-c", loaded], check=True)


BLOCK, HEADER = 32768, 7


def transaction_log(run_directory: Path) -> list[Any]:
    """Records of an offline run: LevelDB's log format, parts of messages in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = run_directory.glob("wandb/offline-run-*/run-*.wandb")
    content, position, message, records = file.read_bytes(), HEADER, b"", []
    while position + HEADER <= len(content):
        left_in_block = BLOCK - position % BLOCK
        if left_in_block < HEADER:
            position += left_in_block
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        message += content[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (1, 4):  # whole, or the last part
            records.append(Record.FromString(message))
            message = b""
    return records


@pytest.mark.parametrize("number", [0, 1])
def test_weights_and_biases_is_offline_for_who_is_not_logged_in_and_each_run_its_own(
    number: int, offline: Path
) -> None:
    records = transaction_log(offline / f"run{number}")
    kinds = [record.WhichOneof("record_type") for record in records]
    assert kinds.count("run") >= 1
    assert kinds.count("exit") == 1
    logged = [
        {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]
    curve = [(int(row["_step"]), float(row["train/loss"])) for row in logged if "train/loss" in row]
    assert curve == [(step, pytest.approx((number + 1) / step)) for step in (1, 2, 3)]
    # a picture of an earlier step, as the best checkpoint's is, and a table are not lost
    assert any(name.startswith("pictures/val/memory") for row in logged for name in row)
    assert any(name.startswith("tables/val/memory") for row in logged for name in row)
    media = {file.suffix for file in (offline / f"run{number}").rglob("media/**/*") if file.is_file()}
    assert {".png", ".json", ".html"} <= media
