"""The record of a run: one JSON line an event, the same after a resume, plain lines where there is no terminal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.errors import TrainingError
from metamann.training.dashboards import Mirrors
from metamann.training.log import console
from metamann.training.record import Record, read_record


@pytest.fixture(autouse=True)
def shown() -> Iterator[None]:
    """What is said is shown, as by the commands."""
    with console():
        yield


VALUES = {"loss": 0.5, "accuracy": 0.75, "grad_norm": 1.0, "learning_rate": 0.001}


def make(directory: Path, steps: int = 10) -> Record:
    return Record(directory, Mirrors({}), steps, 4)


def lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def steps(directory: Path) -> list[tuple[str, int]]:
    return [(line["kind"], line["step"]) for line in lines(directory)]


def write(directory: Path, first: int, last: int) -> None:
    record = make(directory)
    record.open(first - 1, 0.0)
    with record:
        for step in range(first, last + 1):
            record.train(step, VALUES, write=True)
            if step % 2 == 0:
                record.validation(step, {"accuracy": 0.5}, best=True)


def test_each_event_is_one_line_of_json(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    assert steps(tmp_path) == [("train", 1), ("train", 2), ("validation", 2)]
    assert VALUES.items() <= lines(tmp_path)[0].items()
    assert lines(tmp_path)[0]["episodes_per_second"] > 0
    assert lines(tmp_path)[2].items() >= {"accuracy": 0.5, "best": 1.0}.items()


def test_a_line_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    record = make(tmp_path)
    record.open(0, 0.0)
    with record:
        record.train(1, VALUES, write=True)
        assert steps(tmp_path) == [("train", 1)]
        record.train(2, VALUES, write=False)
        assert steps(tmp_path) == [("train", 1)]


def test_a_new_run_does_not_keep_the_lines_of_an_old_one(tmp_path: Path) -> None:
    write(tmp_path, 1, 4)
    write(tmp_path, 1, 1)
    assert steps(tmp_path) == [("train", 1)]


@pytest.mark.parametrize("torn", ["", '{"kind": "train", "st', '{"kind": "train", "step": 3}', "\x00\x00\x00"])
def test_a_resume_drops_what_came_after_its_step_and_a_torn_line(torn: str, tmp_path: Path) -> None:
    write(tmp_path, 1, 4)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(torn)
    write(tmp_path, 3, 3)
    assert steps(tmp_path) == [("train", 1), ("train", 2), ("validation", 2), ("train", 3)]


FOREIGN = [
    b"{", b"no json", b"\xff\xfe", b"[1, 2]", b"3", b"null", b"{}", b"", b'{"kind": "train"}',
    b'{"kind": ["train"], "step": 1}', b"[" * 100_000,
    b'{"kind": "note", "step": 1}', b'{"kind": "train", "step": 1}', b'{"kind": "validation", "step": "1"}',
    b'{"kind": "train", "step": 1, "loss": null, "accuracy": 0.5}', b'{"kind": "validation", "step": true, "f1": 0.5}',
    b'{"kind": "train", "step": 1, "loss": 1e400, "accuracy": 0.5}',
    b'{"kind": "validation", "step": 1, "accuracy": ' + b"9" * 400 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda line: line[:40].decode(errors="replace"))
def test_a_foreign_line_is_taken_out_on_resume_and_said(
    foreign: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 1, 4)
    path = tmp_path / "metrics.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + foreign + b"\n" + rest)
    events, others = read_record(path)
    assert ([event["step"] for _, event in events], others) == ([1, 2, 2, 3, 4, 4], 1)
    capsys.readouterr()
    write(tmp_path, 3, 3)
    assert steps(tmp_path) == [("train", 1), ("train", 2), ("validation", 2), ("train", 3)]
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert str(path) in notes[0]


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_record_it_is_read(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        path.write_bytes(content)
        events, others = read_record(path)
        assert len(events) + others == content.count(b"\n")


def test_a_resume_without_a_record_begins_one_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, 3, 3)
    assert steps(tmp_path) == [("train", 3)]
    assert "note: there is no" in capsys.readouterr().err


def test_a_record_says_which_validation_was_the_last_before_a_resume(tmp_path: Path) -> None:
    write(tmp_path, 1, 6)
    for start, last in ((6, 6), (5, 4), (1, 0)):
        record = make(tmp_path)
        record.open(start, 0.0)
        record.close()
        assert record.last_validation == last


@pytest.mark.parametrize("again", [False, True])
def test_a_record_that_was_deleted_is_noticed_at_the_next_line(again: bool, tmp_path: Path) -> None:
    record = make(tmp_path / "run")
    record.open(0, 0.0)
    with record:
        record.train(1, VALUES, write=True)
        shutil.rmtree(tmp_path / "run")
        if again:
            write(tmp_path / "run", 1, 1)
        with pytest.raises(TrainingError, match="was deleted"):
            record.train(2, VALUES, write=True)
    assert (tmp_path / "run").exists() == again
    if again:
        assert steps(tmp_path / "run") == [("train", 1)]


def test_a_record_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    for start in (0, 2):
        with pytest.raises(TrainingError, match=r"metrics\.jsonl cannot be written"):
            make(tmp_path).open(start, 0.0)


def test_a_record_has_its_fields_before_it_is_opened(tmp_path: Path) -> None:
    record = make(tmp_path)
    assert (record.seconds, record.last_validation) == (0.0, 0)
    record.close()
    with pytest.raises(TrainingError):
        record.train(1, VALUES, write=True)
    assert list(tmp_path.iterdir()) == []


def test_time_goes_on_where_it_was(tmp_path: Path) -> None:
    record = make(tmp_path)
    record.open(2, 100.0)
    with record:
        record.train(3, VALUES, write=True)
        assert 100 <= record.seconds < 110
    assert 100 <= lines(tmp_path)[0]["seconds"] < 110
    # the speed is that of this stretch alone
    assert lines(tmp_path)[0]["episodes_per_second"] > 1


def test_without_a_terminal_progress_is_plain_lines_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 1, 10)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\r" not in err
    assert "\x1b" not in err
    shown = err.splitlines()
    assert [line.split("  ")[0] for line in shown] == ["step 2/10", "step 4/10", "step 6/10", "step 8/10"] + [
        "step 10/10"
    ] * 2
    assert "loss 0.5000" in shown[4]
    assert "validation accuracy 0.5000" in shown[5]


def test_the_record_is_mirrored(tmp_path: Path) -> None:
    seen: list[tuple[int, dict[str, float]]] = []

    class Listener:
        def scalars(self, step: int, values: dict[str, float]) -> None:
            seen.append((step, values))

        def close(self) -> None:
            raise AssertionError("the results are still to come")

    record = Record(tmp_path, Mirrors({"listener": Listener}), 10, 4)  # type: ignore[dict-item]
    record.open(0, 0.0)
    with record:
        record.train(1, VALUES, write=True)
        record.train(2, VALUES, write=False)
        record.validation(2, {"accuracy": 0.5}, best=False)
    assert [step for step, _ in seen] == [1, 2]
    assert seen[0][1].items() >= {f"train/{name}": value for name, value in VALUES.items()}.items()
    assert seen[1][1].items() >= {"validation/accuracy": 0.5, "validation/best": 0.0}.items()
