"""Shared by the tests of memories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from metamann.memory.controlled import erase_add
from metamann.memory.controlled.lrua import scan as lrua_scan
from metamann.memory.fast_weights import delta
from metamann.memory.native.compiled import load_library


@pytest.fixture(params=["compiled", "torch"])
def core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The loops in C, and those of machines without a compiler, by name."""
    if request.param == "torch":
        for module in (delta, erase_add, lrua_scan):
            monkeypatch.setattr(module, "load_library", lambda *_: None)
    elif load_library("delta", torch.device("cpu"), torch.float64) is None:
        pytest.skip("there is no compiler")
    name: str = request.param
    return name


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
