"""Rows that cannot be read are refused in one line that names the fix."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from same_rows import CLASSES, CODES, X, Y, frame, saved_npz, saved_parquet, written

from metamann.data.vectors.reader import vectors
from metamann.errors import MetamannError


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (lambda: frame().drop(columns="kind"), {}, "no column holds labels; name it with label="),
        (lambda: frame(), {"label": "sort"}, "no column sort; data.label may be f0"),
        (lambda: frame().assign(other=Y), {}, "several columns may hold the labels: kind, other"),
        (lambda: frame().assign(label=CODES), {}, "column kind, row 1 has 'class 0' among numbers"),
        (lambda: (X, np.zeros(len(X))), {}, "the only class is 0"),
        (lambda: ([[1, 2], [3]], ["a", "b"]), {}, "rows are of unlike width: 2 numbers in row 1, 1 in row 2"),
        (lambda: {"a": X[:2], "b": X[:2, :3]}, {}, "unlike width: 4 numbers in row 1, 3 in row 3"),
        (lambda: (X, Y[:-1]), {}, "60 rows have labels of shape"),
        (lambda: (X.reshape(-1, 2, 2), Y), {}, r"shape \(60, 2, 2\) are no rows"),
        (lambda: ([["1", "two"], ["3", "4"]], ["a", "b"]), {}, "row 1 has 'two' among numbers"),
        (lambda: (X, np.linspace(0, 1, len(X))), {}, "is a fraction"),
        (lambda: (np.full_like(X, np.nan), Y), {}, "no row has a label and all its values"),
        (lambda: (X, Y), {"shares": (1, 1, 1)}, "three shares"),
        (lambda: (X, Y), {"seed": -1}, "data.seed"),
        (lambda: 3, {}, "int is no source of rows"),
        (lambda: (3, 4), {}, "3 is no list of values"),
        (lambda: frame().assign(split="train"), {}, None),
        (lambda: frame().assign(split=["train", "test"] * 30, kind=Y.repeat(2)[:60]), {}, "share 10 classes"),
        (lambda: frame().assign(split="fold 1"), {}, "'fold 1' is no split"),
        (lambda: pandas.DataFrame({"kind": Y}), {}, "no column of numbers"),
        (lambda: frame().iloc[:0], {}, "no rows"),
        (lambda: "no such file.npz", {}, "cannot be read"),
        (lambda: "~nobody-here/x.npz", {}, "cannot be opened"),
        (lambda: "nul\0byte", {}, "cannot be read"),
        (lambda: ".", {}, "it is no file"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    source: Callable[[], Any], options: dict[str, Any], message: str | None
) -> None:
    if message is None:
        assert vectors(source(), **options).train.n_classes == CLASSES
        return
    with pytest.raises(MetamannError, match=message) as error:
        vectors(source(), **options)
    assert len(str(error.value)) <= 300


def with_objects(folder: Path) -> Path:
    return saved_npz(folder, X=X, y=Y.astype(object))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_objects, "array y of .* holds Python objects, which are not opened"),
        (lambda folder: saved_npz(folder, X=X), "no array of labels; name it y"),
        (lambda folder: saved_npz(folder, y=Y), "no array of features; name it X"),
        (written(b"PK\x03\x04 and no more"), "cannot be read|is damaged"),
        (written(b"PAR1 and no more"), "cannot be read"),
        (written(b"\x93NUMPY"), "none of .npz, CSV and Parquet"),
        (written(b""), "no rows below a header"),
        (written(b"a,kind\n"), "no rows below a header"),
        (written(b"1,2\n3,4\n"), "has no header"),
        (written(b"a,a,kind\n1,2,x\n"), "two columns are called 'a'"),
        (written(b"a,b,kind\n1,2,x\n1,x\n"), "rows of unlike width: .*line 3 has 2 columns"),
        (written(b"a,b,kind\n1,2,x\n1,two,y\n"), "column b, row 2 has 'two' among numbers"),
        (written(b"a,b\n\xff\xfe,1\n"), "not UTF-8"),
    ],
)
def test_files_that_cannot_be_read_are_one_line(make: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(MetamannError, match=message) as error:
        vectors(path)
    assert len(str(error.value)) <= 300


def test_a_damaged_npz_is_one_line(tmp_path: Path) -> None:
    content = saved_npz(tmp_path, X=X, y=Y).read_bytes()
    for at in range(0, len(content), 97):
        (tmp_path / "hurt.npz").write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        with contextlib.suppress(MetamannError):  # and no other error; what is not read may be hurt
            vectors(tmp_path / "hurt.npz")


def test_parquet_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved_parquet(tmp_path, frame())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MetamannError, match=r'pip install "metamann\[tables\]"'):
        vectors(path)
