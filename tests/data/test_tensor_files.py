"""Files of tensors are data: whole, plain and of a bounded size."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from metamann.data.tensor_files import TensorFileError, read_tensors, tensor_fault


class Planted:
    """Leaves a trace in the environment when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:  # noqa: D105
        return exec, ("import os; os.environ['METAMANN_PLANTED'] = '1'",)


def test_what_torch_wrote_is_read(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(3), "b": [1, "x", None]}, tmp_path / "file.pt")
    content = read_tensors(tmp_path / "file.pt")
    assert content["a"].tolist() == [0, 1, 2]
    assert content["b"] == [1, "x", None]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_code_is_refused_and_not_run(tmp_path: Path, legacy: bool) -> None:
    torch.save({"a": Planted()}, tmp_path / "file.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(TensorFileError):
        read_tensors(tmp_path / "file.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(TensorFileError):
        read_tensors(tmp_path / "pickle.pt")
    assert "METAMANN_PLANTED" not in os.environ


def test_entries_that_unfold_are_refused(tmp_path: Path) -> None:
    """A megabyte can unfold to a gigabyte."""
    torch.save({"a": torch.zeros(1000)}, tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    with pytest.raises(TensorFileError, match="packed"):
        read_tensors(tmp_path / "packed.pt")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (torch.zeros(2, 3), None),
        (torch.arange(4), None),
        (torch.zeros(3, 4).t(), None),
        (torch.zeros(0), None),
        ([1.0], "no tensor"),
        (torch.tensor([1.0, float("inf")]), "not finite"),
        (torch.tensor([1.0, float("nan")], dtype=torch.float16), "not finite"),
        (torch.zeros(1).expand(10**15), "claims more"),
        (torch.eye(3).to_sparse(), "unusual"),
        (torch.zeros(2, device="meta"), "unusual"),
    ],
    ids=str,
)
def test_a_tensor_is_ordinary_and_finite_or_is_not(value: Any, fault: str | None) -> None:
    found = tensor_fault(value)
    assert (found is None) if fault is None else (found is not None and fault in found)


def test_a_file_of_two_kinds_is_refused(tmp_path: Path) -> None:
    """The checksums would be those of the archive, and what is read would stand before it."""
    torch.save({"a": torch.zeros(3)}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"b": torch.zeros(3)}, tmp_path / "archive.pt")
    both = (tmp_path / "legacy.pt").read_bytes() + (tmp_path / "archive.pt").read_bytes()
    (tmp_path / "both.pt").write_bytes(both)
    with pytest.raises(TensorFileError):
        read_tensors(tmp_path / "both.pt")
