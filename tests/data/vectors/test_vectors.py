"""Rows of features become classes, out of every source alike."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from metamann.data.store import DataSplits
from metamann.data.vectors.reader import vectors
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.errors import MetamannError
from metamann.modalities.item_objects import Rows

CLASSES, EACH, WIDTH = 10, 6, 4
X = np.random.default_rng(0).normal(3, 2, (CLASSES * EACH, WIDTH)).astype(np.float32)
Y = np.array([f"class {number % CLASSES}" for number in range(len(X))])
CODES = np.arange(len(X)) % CLASSES
NAMES = np.array([f"class {number}" for number in range(CLASSES)])
COLUMNS = [f"f{number}" for number in range(WIDTH)]


def frame() -> pandas.DataFrame:
    return pandas.DataFrame(X, columns=COLUMNS).assign(kind=Y)


def saved_npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "rows.npz", **arrays)
    return folder / "rows.npz"


def saved_csv(folder: Path, table: pandas.DataFrame, **options: Any) -> Path:
    table.to_csv(folder / "rows.csv", **{"index": False, "float_format": "%.9g", **options})
    return folder / "rows.csv"


def saved_parquet(folder: Path, table: pandas.DataFrame) -> Path:
    table.to_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "npz": lambda folder: saved_npz(folder, X=X, y=Y),
    "npz with other names": lambda folder: saved_npz(folder, embeddings=X, labels=Y.reshape(-1, 1)),
    "npz with any names": lambda folder: saved_npz(folder, a=Y.astype(bytes), b=X),
    "npz with names of classes": lambda folder: saved_npz(folder, X=X, y=CODES, classes=NAMES),
    "csv": lambda folder: saved_csv(folder, frame()),
    "csv with an index": lambda folder: saved_csv(folder, frame(), index=True),
    "csv with semicolons": lambda folder: saved_csv(folder, frame(), sep=";", decimal=","),
    "csv with tabs": lambda folder: saved_csv(folder, frame(), sep="\t"),
    "parquet": lambda folder: saved_parquet(folder, frame()),
    "parquet of lists": lambda folder: saved_parquet(folder, pandas.DataFrame({"row": list(X), "kind": Y})),
    "data frame": lambda folder: frame(),
    "data frame of lists": lambda folder: pandas.DataFrame({"row": list(X), "kind": Y}),
    "pair": lambda folder: (X, Y),
    "pair of lists": lambda folder: (X.tolist(), Y.tolist()),
    "pair of tensors": lambda folder: (list(torch.from_numpy(X)), list(Y)),
    "dictionary": lambda folder: {name: X[name == Y] for name in NAMES},
    "dictionary of tensors": lambda folder: {name: torch.from_numpy(X[name == Y]) for name in NAMES},
    "dictionary of lists": lambda folder: {name: [row.tolist() for row in X[name == Y]] for name in NAMES},
}


def rows_by_class(splits: DataSplits) -> dict[str, np.ndarray]:
    stores = [splits.split(part) for part in ("train", "val", "test")]
    return {name: store.images_of(number).numpy() for store in stores for number, name in enumerate(store.class_names)}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_classes(source: str, tmp_path: Path) -> None:
    splits = vectors(SOURCES[source](tmp_path), standardise=False)
    assert [splits.split(part).n_classes for part in ("train", "val", "test")] == [6, 2, 2]
    found = rows_by_class(splits)
    assert sorted(found) == sorted(NAMES)
    for name, rows in found.items():
        assert rows.dtype == np.float32
        assert np.array_equal(rows, X[name == Y])
    assert splits.own
    assert splits.scaling is None
    assert splits.train.items.shape == (6 * EACH, WIDTH)
    same = vectors((X, Y), standardise=False)
    assert splits.train.fingerprint == same.train.fingerprint


def test_columns_are_brought_to_the_training_classes_alone() -> None:
    splits = vectors((np.c_[X, np.full(len(X), 7.0)], Y))
    assert splits.scaling is not None
    mean, scale = splits.scaling
    raw = rows_by_class(vectors((X, Y), standardise=False))
    train = np.concatenate([raw[name] for name in splits.train.class_names]).astype(np.float64)
    np.testing.assert_allclose(mean.numpy()[:WIDTH], train.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale.numpy(), [*train.std(0), 1.0], rtol=1e-6)
    np.testing.assert_allclose(splits.train.items.mean(0), np.zeros(WIDTH + 1), atol=1e-6)
    assert abs(splits.test.items.numpy()[:, :WIDTH].mean(0)).max() > 0.01


def test_new_rows_are_brought_to_the_same() -> None:
    splits = vectors((X, Y))
    reader = Rows(WIDTH, splits.scaling)
    for name, rows in rows_by_class(splits).items():
        expected = torch.stack([reader.read(row) for row in X[name == Y]])
        assert torch.equal(torch.from_numpy(rows), expected)


def test_the_note_says_what_was_found(tmp_path: Path) -> None:
    broken, labels = X.copy(), Y.astype(object)
    broken[0, 0], broken[1, 1], broken[2, 2] = np.nan, np.inf, -np.inf
    labels[3] = ""
    table = pandas.DataFrame(broken, columns=COLUMNS).assign(kind=labels)
    path = saved_csv(tmp_path, table)
    (note,) = vectors(str(path)).notes
    assert note == (
        "rows.csv read as: 4 columns, 56 rows, 10 classes, 3 rows left out (a value is missing or not finite), 1 row "
        "left out (no label); classes of train 6, val 2, test 2"
    )


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet", "frame"])
def test_a_column_of_splits_is_read(kind: str, tmp_path: Path) -> None:
    own = np.array([("training", "valid", "test")[number % 3] for number in CODES])
    table = frame().assign(Split=own)
    sources: dict[str, Callable[[], Any]] = {
        "npz": lambda: saved_npz(tmp_path, X=X, y=Y, split=own),
        "csv": lambda: saved_csv(tmp_path, table),
        "parquet": lambda: saved_parquet(tmp_path, table),
        "frame": lambda: table,
    }
    splits = vectors(sources[kind](), shares=(0, 0, 1))
    assert splits.train.class_names == ("class 0", "class 3", "class 6", "class 9")
    assert splits.val.class_names == ("class 1", "class 4", "class 7")
    assert splits.train.items.shape[1] == WIDTH
    assert splits.notes[-1] == "the rows are split already: training, valid, test; data.shares is not used"


def test_labels_are_named_alike_whatever_their_type() -> None:
    for labels in (CODES, CODES.astype(np.float32), list(map(str, CODES)), torch.from_numpy(CODES)):
        assert sorted(rows_by_class(vectors((X, labels)))) == sorted(map(str, range(CLASSES)))


def test_a_name_with_a_mark_stays_one_class() -> None:
    splits = vectors({"a@90": X[:6], "a": X[6:12], "b": X[12:18]}, shares=(0, 0, 1), standardise=False)
    assert splits.test.class_names == ("a", "a@@90", "b")


def test_an_index_that_counts_is_left_out_and_said(tmp_path: Path) -> None:
    notes = vectors(saved_csv(tmp_path, frame(), index=True)).notes
    assert notes[1:] == ("column '' counts the rows; it is left out",)


def test_episodes_are_dealt_of_rows() -> None:
    splits = vectors((X, Y))
    episode = Sampler(splits.train, NWayKShot(3, 1, 2), 0).batch([0, 1])
    assert episode.support.inputs.shape == (2, 3, WIDTH)
    assert episode.support.inputs.dtype == torch.float32


def test_a_label_is_taken_by_its_name() -> None:
    table = frame().assign(kind=CODES, other=CODES // 5)
    assert len(rows_by_class(vectors(table, label="other"))) == 2
    named = frame().drop(columns="kind").assign(label=CODES)
    assert len(rows_by_class(vectors(named))) == CLASSES


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
        (lambda: (X, Y), {"shares": (0, 0, 1)}, "data.standardise=false"),
        (lambda: (X, Y), {"shares": (1, 1, 1)}, "three shares"),
        (lambda: (X, Y), {"standardise": "abc"}, "must be true or false"),
        (lambda: (X, Y), {"seed": -1}, "data.seed"),
        (lambda: 3, {}, "int is no source of rows"),
        (lambda: (3, 4), {}, "3 is no list of values"),
        (lambda: frame().assign(split="train"), {"standardise": False}, None),
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


def written(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "rows.csv").write_bytes(content)
        return folder / "rows.csv"

    return write


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


def test_missing_values_of_data_frames_are_known() -> None:
    table = frame().astype(dict.fromkeys(COLUMNS, "Float64"))
    table.loc[0, "f0"] = pandas.NA
    table.loc[1, "kind"] = None
    found = rows_by_class(vectors(table, standardise=False))
    assert len(found["class 0"]) == len(found["class 1"]) == EACH - 1
