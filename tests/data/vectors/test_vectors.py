"""Rows of features become classes, out of every source alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from messages import names
from omegaconf import DictConfig, OmegaConf
from same_rows import (
    CLASSES,
    CODES,
    COLUMNS,
    EACH,
    NAMES,
    WIDTH,
    X,
    Y,
    frame,
    saved_csv,
    saved_npz,
    saved_parquet,
    written,
)

from metamann.data.store import DataSplits
from metamann.data.vectors.reader import vectors
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler

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
    "parquet of categories": lambda folder: saved_parquet(folder, frame().astype({"kind": "category"})),
    "data frame of categories": lambda folder: frame().astype({"kind": "category"}),
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
    splits = vectors(SOURCES[source](tmp_path))
    assert [splits.split(part).n_classes for part in ("train", "val", "test")] == [6, 2, 2]
    found = rows_by_class(splits)
    assert sorted(found) == sorted(NAMES)
    for name, rows in found.items():
        assert rows.dtype == np.float32
        assert np.array_equal(rows, X[name == Y])
    assert splits.own
    assert splits.train.items.shape == (6 * EACH, WIDTH)
    same = vectors((X, Y))
    assert splits.train.fingerprint == same.train.fingerprint


def test_the_note_says_what_was_found(tmp_path: Path) -> None:
    broken, labels = X.copy(), Y.astype(object)
    broken[0, 0], broken[1, 1], broken[2, 2] = np.nan, np.inf, -np.inf
    labels[3] = ""
    table = pandas.DataFrame(broken, columns=COLUMNS).assign(kind=labels)
    path = saved_csv(tmp_path, table)
    (note,) = vectors(str(path)).notes
    table_parts = ("rows.csv", "4 columns", "56 rows", "10 classes")
    missing = ("3 rows left out", "missing or not finite", "1 row left out", "no label")
    assert names(note, *table_parts, *missing, "train 6", "val 2", "test 2")


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
    assert names(splits.notes[-1], "split already", "training, valid, test", "data.shares")


def test_labels_are_named_alike_whatever_their_type() -> None:
    for labels in (CODES, CODES.astype(np.float32), list(map(str, CODES)), torch.from_numpy(CODES)):
        assert sorted(rows_by_class(vectors((X, labels)))) == sorted(map(str, range(CLASSES)))


def test_a_name_with_a_mark_stays_one_class() -> None:
    splits = vectors({"a@90": X[:6], "a": X[6:12], "b": X[12:18]}, shares=(0, 0, 1))
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


def test_labels_of_a_text_file_stay_as_they_are_written(tmp_path: Path) -> None:
    path = written(b"a;label\n1;001\n2;1\n3;1e5\n2,5;NA\n4;\n")(tmp_path)
    splits = vectors(path, shares=(0, 0, 1))
    assert splits.test.class_names == ("001", "1", "1e5", "NA")
    assert splits.test.items.tolist() == [[1.0], [2.0], [3.0], [2.5]]
    assert splits.notes[1:] == ("numbers have a decimal comma",)


def test_missing_values_of_data_frames_are_known() -> None:
    table = frame().astype(dict.fromkeys(COLUMNS, "Float64"))
    table.loc[0, "f0"] = pandas.NA
    table.loc[1, "kind"] = None
    found = rows_by_class(vectors(table))
    assert len(found["class 0"]) == len(found["class 1"]) == EACH - 1


def test_the_settings_are_the_arguments() -> None:
    settings = OmegaConf.load(Path(__file__).parents[3] / "conf" / "data" / "vectors.yaml")
    assert isinstance(settings, DictConfig)
    defaults = {name: each.default for name, each in inspect.signature(vectors).parameters.items() if name != "path"}
    written = {key: settings[key] for key in settings if key not in ("_target_", "path")}
    assert {key: tuple(value) if key == "shares" else value for key, value in written.items()} == defaults
    assert settings._target_ == f"{vectors.__module__}.vectors"
