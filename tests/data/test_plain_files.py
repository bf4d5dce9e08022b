"""Any name can be written, and every JSON file is one by the standard."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.plain_files import to_json, write_json, write_text

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(st.characters()), inner),
)


def strict(text: str) -> Any:
    """What a program reads that knows no NaN."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


@given(PLAIN)
def test_whatever_is_written_is_read_by_a_strict_program(content: Any) -> None:
    for text in (to_json(content), to_json(content, indent=2)):
        text.encode()
        assert strict(text) == _with_null(content)


def _with_null(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _with_null(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_with_null(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


@pytest.mark.parametrize("text", ["plain", "Zo\u00eb \u5317\u4eac 😀", "half \ud800 a pair \udfff", "a\r\nb"])
def test_text_is_utf_8_whatever_it_holds(text: str, tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "file.md", text)
    read = (tmp_path / "deep" / "file.md").read_bytes().decode("utf-8")
    assert read == text.replace("\ud800", "\\ud800").replace("\udfff", "\\udfff")


def test_a_json_file_ends_in_a_line_end(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"name": "\ud800", "score": math.nan})
    text = (tmp_path / "file.json").read_text()
    assert text.endswith("}\n")
    assert strict(text) == {"name": "\ud800", "score": None}
