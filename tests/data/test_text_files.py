"""Text files: every encoding that says what it is gives the same text; what is no text is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from messages import names

from metamann.data.text_files import read_text
from metamann.errors import DataError

TEXT = "Zoë\n😀 北京\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_is_read_in_every_encoding_that_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert read_text(path) == TEXT


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_both_orders_of_bytes_are_read(tmp_path: Path, mark: str) -> None:
    (tmp_path / "a.txt").write_bytes(("\ufeff" + TEXT).encode(mark))
    assert read_text(tmp_path / "a.txt") == TEXT


def test_a_return_alone_ends_a_line_where_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes(b"a\rb\r")
    (tmp_path / "new.txt").write_bytes(b"a\rb\r\nc")
    assert read_text(tmp_path / "old.txt") == "a\nb\n"
    assert read_text(tmp_path / "new.txt") == "a\rb\r\nc"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nJ\xf6rg\n", "line 2 is not UTF-8"),
        ("a\nb\n".encode("utf-16-le"), "line 1 has a NUL character"),
        (b"a\nb\0\n", "line 2 has a NUL character"),
        (b"\xff\xfea", "starts as UTF-16, but is none"),
        (b"\xff\xfe\x00\xd8", "starts as UTF-16, but is none"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["nowhere.txt", ".", "a\0b"])
def test_a_path_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"cannot be read .*name a file that is there"):
        read_text(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device")
def test_a_device_without_end_is_refused() -> None:
    with pytest.raises(DataError, match="it is no file"):
        read_text(Path("/dev/zero"))


def test_the_reason_of_a_folder_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_text(tmp_path)
    assert names(str(caught.value), f"{tmp_path} ", "no file", "name a file that is there")
    assert str(caught.value).count("no file") == 1
