"""What stands beside numbers."""

from __future__ import annotations

import sys

import pytest

import metamann
from metamann.application.origin import origin


def test_numbers_name_machine_version_and_commit() -> None:
    found = origin()
    assert list(found) == ["machine", "metamann", "commit"]
    assert found["metamann"] == metamann.__version__
    assert "torch" in found["machine"]


def test_a_command_is_named_only_where_it_is_handed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["notebook", "--secret"])
    assert "--secret" not in str(origin())
    assert origin("metamann-train experiment=toy") == {**origin(), "command": "metamann-train experiment=toy"}
