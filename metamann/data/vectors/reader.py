"""Rows of features, from any model, as classes of a data set: a row is an item, its label a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metamann.data.images.folders import ADDED, PART_OF
from metamann.data.sentences.store import PAIRS, PARTS
from metamann.data.shares import deal
from metamann.data.store import ClassStore, DataSplits, escape_marks
from metamann.data.vectors.cells import array_of
from metamann.data.vectors.files import check_names, read_file
from metamann.data.vectors.table import Table, table_of_arrays, table_of_columns
from metamann.errors import DataError, excerpt


def vectors(
    path: Any,
    label: str | None = None,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> DataSplits:
    """Read rows of features and split their classes.

    A file is `.npz` (arrays `X`, `features` or `embeddings`, and `y` or `labels`), CSV with a header, or Parquet. A
    column (or array) `split` is read as the splits, and `shares` are not used. Rows in which a value is missing or not
    finite are left out and counted.

    Args:
        path: the file; or a data frame, a pair of rows and labels, or a dictionary of label to rows.
        label: name of the column, or array, of labels; None detects it.
        shares: of the classes for train, validation and test; `(0, 0, 1)` puts all in test.
        seed: of the split.

    Raises:
        ConfigError: if the seed is out of range.
        DataError: if it cannot be read, has no label, one class, text among numbers, rows of unlike width, or a class
            in two of its own splits.
    """
    source, table = _read(path, None if label is None else str(label))
    whole = np.isfinite(table.rows).all(1)
    retained = [row for row, name in enumerate(table.labels) if name is not None and whole[row]]
    by_class: dict[str, list[int]] = {}
    for row in retained:
        by_class.setdefault(str(table.labels[row]), []).append(row)
    names = sorted(by_class)
    if len(names) < 2:
        reason = f"the only class is {excerpt(names[0])}" if names else "no row has a label and all its values"
        raise DataError(f"{excerpt(source)}: {reason}; few-shot tasks need at least two classes.")
    parts = _own_parts(table, by_class) if table.splits is not None else deal(names, shares, seed)
    items = torch.from_numpy(table.rows)
    title = f"vectors/{Path(source).stem}"
    stores = {
        part: ClassStore.from_classes(
            f"{title}/{part}",
            [items[by_class[names[place]]] for place in places],
            [escape_marks(names[place]) for place in places],
            [""] * len(places),
            turnable=False,
        )
        if places
        else ClassStore(f"{title}/{part}", items[:0], (), (), np.zeros(1, dtype=np.int64), turnable=False)
        for part, places in parts.items()
    }
    return DataSplits(
        title,
        stores["train"],
        stores["val"],
        stores["test"],
        disjoint_groups=False,
        notes=_notes(source, table, whole, len(retained), parts),
        own=True,
    )


def _read(source: Any, label: str | None) -> tuple[str, Table]:
    """The name of a source for messages, and its rows."""
    if isinstance(source, str | Path):
        try:
            path = Path(source).expanduser()
        except RuntimeError as error:  # of a user who is not there
            raise DataError(f"data.path={excerpt(source)} cannot be opened ({error}); give another.") from error
        return path.name, read_file(path, label)
    if isinstance(source, Mapping):
        rows_of = {name: array_of(rows) for name, rows in source.items()}
        rows_of = {
            name: rows[None] if rows.ndim == 1 and rows.dtype != object else rows for name, rows in rows_of.items()
        }
        flat = [row for rows in rows_of.values() for row in rows]
        return "rows", table_of_arrays(flat, [name for name, rows in rows_of.items() for _ in rows])
    if hasattr(source, "columns") and hasattr(source, "to_dict"):  # a data frame, of whatever library
        names = [str(name) for name in source.columns]
        check_names(names)
        return "rows", table_of_columns(
            {name: np.asarray(source[column]) for name, column in zip(names, source.columns, strict=True)}, label
        )
    if isinstance(source, tuple | list) and len(source) == 2:
        return "rows", table_of_arrays(*source)
    raise DataError(
        f"{excerpt(type(source).__name__)} is no source of rows; give a file, a data frame, a pair of rows and labels, "
        "or a dictionary of label to rows."
    )


def _own_parts(table: Table, by_class: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The classes in each split of the source itself, sorted by name."""
    assert table.splits is not None
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for place, name in enumerate(sorted(by_class)):
        for own in {table.splits[number] for number in by_class[name]}:
            part = None if own is None else PART_OF.get(ADDED.sub("", own.lower()))
            if part is None:
                raise DataError(
                    f"{excerpt(repr(own))} is no split; name them train, val and test, or rename the column."
                )
            if place not in parts[part]:
                parts[part].append(place)
    for one, other in PAIRS:
        shared = set(parts[one]) & set(parts[other])
        if shared:
            raise DataError(
                f"{one} and {other} share {len(shared):,} classes, such as {excerpt(sorted(by_class)[min(shared)])}; "
                "few-shot splits have different ones. Take the column split out: data.shares deals the classes."
            )
    return parts


def _notes(
    source: str, table: Table, whole: np.ndarray, retained: int, parts: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    broken = int((~whole).sum())
    left_out = {"a value is missing or not finite": broken, "no label": len(table.labels) - broken - retained}
    classes = sum(map(len, parts.values()))
    counts = [_count(table.rows.shape[1], "column"), _count(retained, "row"), f"{classes:,} classes"]
    counts += [f"{_count(number, 'row')} left out ({why})" for why, number in left_out.items() if number]
    class_counts = ", ".join(f"{part} {len(places)}" for part, places in parts.items())
    notes = [f"{excerpt(source)} read as: {', '.join(counts)}; classes of {class_counts}", *table.notes]
    if table.splits is not None:
        rows = Counter(name for name in table.splits if name is not None)
        notes.append(f"the rows are split already: {', '.join(map(excerpt, rows))}; data.shares is not used")
    return tuple(notes)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
