"""Files of task lists: what was written comes back, everything else is one message."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metamann.episodes import task_files
from metamann.episodes.task_files import read_tasks, write_tasks
from metamann.errors import EpisodeError

HEADER = {"data": "x", "fingerprint": "y", "protocol": {"name": "nway"}, "seed": 3}


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.npz", HEADER, {"a": np.arange(3), "b": np.zeros((2, 2), np.int64)})
    header, arrays = read_tasks(tmp_path / "tasks.npz", {"b": np.int64, "a": np.int64})
    assert header == HEADER
    assert arrays["a"].tolist() == [0, 1, 2]
    assert arrays["b"].shape == (2, 2)


@pytest.mark.parametrize(
    "header",
    [
        [], {}, "x", 3, None, {**HEADER, "seed": -1}, {**HEADER, "seed": 1.5}, {**HEADER, "seed": True},
        {**HEADER, "seed": 2**64}, {"data": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_header_of_another_kind_is_refused(tmp_path: Path, header: Any) -> None:
    np.savez(tmp_path / "tasks.npz", header=json.dumps(header), a=np.arange(3))
    with pytest.raises(EpisodeError, match=r"tasks\.npz is no task list"):
        read_tasks(tmp_path / "tasks.npz", {"a": np.int64})


@pytest.mark.parametrize("array", [np.zeros(3), np.array(["x"]), np.array([None]), np.zeros(3, np.int8)], ids=str)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, array: Any) -> None:
    np.savez(tmp_path / "tasks.npz", header=json.dumps(HEADER), a=array)
    with pytest.raises(EpisodeError, match=r"tasks\.npz is no task list"):
        read_tasks(tmp_path / "tasks.npz", {"a": np.int64})


def test_a_file_that_unfolds_without_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tasks(tmp_path / "tasks.npz", HEADER, {"a": np.zeros(10**6, np.int64)})
    assert (tmp_path / "tasks.npz").stat().st_size < 20_000
    monkeypatch.setattr(task_files, "LARGEST", 10**6)
    with pytest.raises(EpisodeError, match="unfolds"):
        read_tasks(tmp_path / "tasks.npz", {"a": np.int64})


def test_an_array_that_claims_to_be_endless_is_refused(tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.npz", HEADER, {})
    claim = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "tasks.npz", "a") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(claim).to_bytes(2, "little") + claim)
    with pytest.raises(EpisodeError, match=r"tasks\.npz is no task list"):
        read_tasks(tmp_path / "tasks.npz", {"a": np.int64})
