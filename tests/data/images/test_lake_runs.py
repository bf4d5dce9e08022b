"""Lake's runs: the published drawings and pairs, and one clear message for a file that is not right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from metamann.data.images.lake_runs import lake_runs
from metamann.errors import DataError


def test_runs_are_as_published(omniglot_data: Path) -> None:
    runs = lake_runs(28)
    assert runs.support.shape == runs.query.shape == (20, 20, 1, 28, 28)
    assert [sorted(labels.tolist()) for labels in runs.labels] == [list(range(20))] * 20
    # class_labels.txt of run01 opens: item01 class08, item02 class09, item03 class02
    assert runs.labels[0, :3].tolist() == [7, 8, 1]


def test_a_damaged_archive_is_one_message(omniglot_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "omniglot"
    folder.mkdir()
    shutil.copy(omniglot_data / "all_runs.zip", folder)
    archive = folder / "all_runs.zip"
    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:1000])
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path))
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"all_runs.zip is damaged"):
        lake_runs(28)
