"""The cache: whole files or none, and never the reason that a run fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from metamann.data import cache
from metamann.data.cache import cache_folder, cached, data_folder, expect, serialised, write_atomically


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    """Counts how often the tensors were made."""

    calls = 0

    def __call__(self) -> dict[str, Tensor]:
        self.calls += 1
        return {"numbers": torch.arange(5), "weights": torch.tensor([0.5, 1.5])}


def test_folders_come_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("METAMANN_DATA", raising=False)
    assert cache_folder() == data_folder() == folder
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path / "data"))
    assert (cache_folder(), data_folder()) == (folder, tmp_path / "data")
    monkeypatch.setenv("METAMANN_DATA", "~/data")
    monkeypatch.delenv("METAMANN_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert (cache_folder(), data_folder()) == (Path.home() / ".cache" / "metamann", Path.home() / "data")


def test_tensors_are_made_once(folder: Path) -> None:
    make = Maker()
    first, second = cached("key", make, dict), cached("key", make, dict)
    assert make.calls == 1
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    cached("other", make, dict)
    assert make.calls == 2
    assert sorted(file.name for file in folder.iterdir()) == ["key.pt", "other.pt"]


@pytest.mark.parametrize("content", [b"", b"not a cache", serialised({"numbers": torch.arange(5)})[:-200]])
def test_a_damaged_cache_is_made_anew_with_a_warning(folder: Path, content: bytes) -> None:
    make = Maker()
    folder.mkdir()
    (folder / "key.pt").write_bytes(content)
    with pytest.warns(UserWarning, match=r"key\.pt cannot be read and is made anew"):
        made = cached("key", make, dict)
    assert made["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert cached("key", make, dict)["weights"].tolist() == [0.5, 1.5]
    assert make.calls == 1


def test_a_flipped_bit_in_a_cache_is_noticed(folder: Path) -> None:
    make = Maker()
    cached("key", make, dict)
    content = bytearray((folder / "key.pt").read_bytes())
    content[bytes(content).find(torch.tensor([0.5, 1.5]).numpy().tobytes())] ^= 1
    (folder / "key.pt").write_bytes(content)
    with pytest.warns(UserWarning, match="another checksum"):
        assert cached("key", make, dict)["weights"].tolist() == [0.5, 1.5]
    assert make.calls == 2


@pytest.mark.parametrize(
    "content",
    [
        [torch.arange(5)],
        {"numbers": "no tensor"},
        {"numbers": torch.tensor([float("nan")])},
        {"numbers": torch.zeros(1).expand(10**15)},
        {"numbers": torch.arange(6)},
        {"others": torch.arange(5)},
    ],
    ids=["a list", "a text", "not finite", "endless", "another shape", "another name"],
)
def test_a_cache_that_holds_something_else_is_made_anew(folder: Path, content: object) -> None:
    folder.mkdir()
    torch.save(content, folder / "key.pt")
    with pytest.warns(UserWarning, match="made anew"):
        made = cached("key", Maker(), lambda tensors: expect(tensors["numbers"], torch.int64, 5))
    assert made.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("key", ["../key", "/tmp/key", "a/b", "", "a\nb"])
def test_a_key_is_a_name_and_no_path(key: str) -> None:
    with pytest.raises(ValueError, match="no name of a cache file"):
        cached(key, Maker(), dict)


def test_code_in_a_cache_is_not_run(folder: Path) -> None:
    folder.mkdir()
    torch.save({"numbers": Trap()}, folder / "key.pt")
    with pytest.warns(UserWarning, match="made anew"):
        cached("key", Maker(), dict)
    assert "METAMANN_TRAP" not in os.environ


class Trap:
    """Leaves a trace in the environment when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:  # noqa: D105
        return exec, ("import os; os.environ['METAMANN_TRAP'] = '1'",)


def test_a_cache_that_cannot_be_written_costs_a_warning_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="nothing is cached"):
        assert cached("key", Maker(), dict)["numbers"].tolist() == [0, 1, 2, 3, 4]


def test_writing_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    for content in (b"first", b"the second, longer one", b"3"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def disk_full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_in_the_middle_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def interrupted(handle: int) -> None:
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    """Results and caches are for others too; a temporary file is private unless told otherwise."""
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("system", "variables", "there", "place"),
    [
        ("linux", {}, False, ".cache/metamann"),
        ("linux", {"XDG_CACHE_HOME": "{home}/fast"}, False, "fast/metamann"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, False, ".cache/metamann"),
        ("linux", {"XDG_CACHE_HOME": "{home}/fast"}, True, ".cache/metamann"),  # of earlier versions
        ("darwin", {}, False, "Library/Caches/metamann"),
        ("win32", {"LOCALAPPDATA": "{home}/Local"}, False, "Local/metamann/Cache"),
        ("win32", {}, False, "AppData/Local/metamann/Cache"),
        ("linux", {"XDG_CACHE_HOME": "{home}/fast", "METAMANN_CACHE": "{home}/mine"}, True, "mine"),
    ],
)
def test_the_cache_is_where_the_system_keeps_caches(
    system: str, variables: dict[str, str], there: bool, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("METAMANN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    if there:
        (tmp_path / ".cache" / "metamann").mkdir(parents=True)
    monkeypatch.setattr("metamann.data.cache.sys.platform", system)
    assert cache_folder() == tmp_path / place
