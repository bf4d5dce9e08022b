"""Compiling a core: only where it can be done, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from metamann.memory.native.compiled import load_library, pointers

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A cache folder of its own; nothing loaded before counts."""
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "cache"))
    load_library.cache_clear()
    yield tmp_path / "cache"
    load_library.cache_clear()


@pytest.mark.parametrize("compiler", ["", "no-such-compiler"])
def test_without_a_compiler_there_is_no_library(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAMANN_CC", compiler)
    assert load_library("lrua", CPU, torch.float32, 4) is None


def test_a_compiler_that_fails_is_named_in_a_warning(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAMANN_CC", "false")
    with pytest.warns(UserWarning, match="lrua.c .* runs slower, in PyTorch .*false.*METAMANN_CC"):
        assert load_library("lrua", CPU, torch.float32, 4) is None
    assert not list(fresh.glob("**/*.so"))


def test_a_compiler_without_threads_will_do(fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if load_library("lrua", CPU, torch.float32, 4) is None:
        pytest.skip("there is no compiler")
    load_library.cache_clear()
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nfor option; do [ "$option" = -fopenmp ] && exit 1; done\nexec cc "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("METAMANN_CC", str(compiler))
    assert load_library("lrua", CPU, torch.float32, 4) is not None


def test_half_precision_and_other_devices_have_no_library() -> None:
    assert load_library("lrua", torch.device("meta"), torch.float32, 4) is None
    assert load_library("lrua", CPU, torch.bfloat16, 4) is None


def test_a_tensor_with_gaps_is_kept_from_c() -> None:
    square = torch.ones(2, 3)
    assert [each.value for each in pointers(square, None)] == [square.data_ptr(), None]
    with pytest.raises(ValueError, match="contiguous"):
        pointers(square, square.T)


def test_the_library_is_kept(fresh: Path) -> None:
    if load_library("lrua", CPU, torch.float32, 2) is None:
        pytest.skip("there is no compiler")
    (kept,) = fresh.glob("*.so")
    written = kept.stat().st_mtime_ns
    load_library.cache_clear()
    assert load_library("lrua", CPU, torch.float32, 2) is not None
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize("spoil", [lambda kept: kept.chmod(0o777), lambda kept: kept.rename(kept.with_name("other"))])
def test_a_library_that_others_may_have_written_is_compiled_anew(fresh: Path, spoil: Callable[[Path], object]) -> None:
    if load_library("lrua", CPU, torch.float32, 2) is None:
        pytest.skip("there is no compiler")
    (kept,) = fresh.glob("*.so")
    written = kept.stat().st_mtime_ns
    spoil(kept)
    if not kept.exists():
        kept.symlink_to(kept.with_name("other"))
    load_library.cache_clear()
    assert load_library("lrua", CPU, torch.float32, 2) is not None
    assert kept.stat().st_mtime_ns > written
    assert not kept.is_symlink()
    assert not kept.stat().st_mode & 0o022
