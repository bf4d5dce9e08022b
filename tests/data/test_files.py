"""Files of published data sets: found in the data folder, downloaded and checked, or one message that says where to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from metamann.data.files import local_file, public_file
from metamann.errors import DataError


@pytest.fixture
def published(tmp_path: Path) -> str:
    """Address of a file that can be fetched without a network."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.txt").write_text("as published")
    return (tmp_path / "web" / "a.txt").as_uri()


def test_a_file_in_the_data_folder_is_taken(no_data: Path) -> None:
    (no_data / "set").mkdir(parents=True)
    path = no_data / "set" / "a.txt"
    path.write_text("mine")
    assert local_file("set/a.txt", "somewhere") == path
    assert public_file("set/a.txt", "http://127.0.0.1:9/a.txt") == path


def test_a_public_file_is_downloaded_and_checked(no_data: Path, published: str) -> None:
    sha256 = hashlib.sha256(b"as published").hexdigest()[:16]
    assert public_file("set/part/a.txt", published, sha256).read_text() == "as published"
    with pytest.raises(DataError, match="not the file that was published"):
        public_file("other/a.txt", published, "0" * 16)


def test_a_file_that_is_nowhere_is_named_with_its_place(no_data: Path) -> None:
    with pytest.raises(DataError) as error:
        local_file("set/a.txt", "the shared task")
    for part in ("not downloaded", "a.txt of the shared task", str(no_data / "set"), "METAMANN_DATA"):
        assert part in str(error.value)
    with pytest.raises(DataError) as error:
        public_file("set/a.txt", "http://127.0.0.1:9/a.txt")
    for part in ("cannot be downloaded", f"put a.txt in {no_data / 'set'}", "METAMANN_DATA"):
        assert part in str(error.value)
