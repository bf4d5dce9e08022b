"""Rows of numbers, each with a label, from columns or arrays of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from metamann.data.vectors.cells import array_of, is_missing, label_name, number, row_of
from metamann.errors import DataError, excerpt, excerpts

LABEL_NAMES = ("label", "labels", "class", "classes", "target", "targets", "category")
SPLIT_NAME = "split"


class Table(NamedTuple):
    """The content of a source, invalid rows included.

    Attributes:
        rows: `rows x width`, float32; NaN or infinite where a value is missing.
        labels: one for each row; None where it is missing.
        splits: one for each row, as the source names them; None where it has none.
        notes: decisions of the reader.
    """

    rows: np.ndarray
    labels: list[str | None]
    splits: list[str | None] | None = None
    notes: tuple[str, ...] = ()


def table_of_arrays(rows: Any, labels: Any, splits: Any = None) -> Table:
    """A table of an array of rows and an array of labels.

    Raises:
        DataError: if rows are of unlike width or no numbers, or there are more or fewer labels than rows.
    """
    values, names = _matrix(rows), array_of(labels)
    names = names.ravel() if names.shape in ((len(names), 1), (1, len(values))) else names
    parts = None if splits is None else array_of(splits).ravel()
    for what, array in (("labels", names), ("splits", parts)):
        if array is not None and (array.ndim != 1 or len(array) != len(values)):
            raise DataError(f"{len(values):,} rows have {what} of shape {array.shape}; give one to each row.")
    split_names = None if parts is None else [label_name(part) for part in parts]
    return Table(values, [label_name(name) for name in names], split_names)


def table_of_columns(columns: Mapping[str, np.ndarray], label: str | None) -> Table:
    """A table of named columns.

    Args:
        columns: of numbers, text, or lists of numbers; all of one length.
        label: name of the column of labels; None selects the one with a usual name, or the only one of text.

    Raises:
        DataError: if there is no column of labels, or text among the numbers.
    """
    if not columns or not len(next(iter(columns.values()))):
        raise DataError("the table has no rows; give one for each item.")
    split = next((name for name in columns if name.strip().lower() == SPLIT_NAME and name != label), None)
    texts = [name for name, values in columns.items() if name != split and _holds_text(values)]
    label = _label_column(columns, texts, split, label)
    features = [name for name in columns if name not in (label, split)]
    notes = []
    if len(features) > 1 and _numbers_rows(columns[features[0]]):
        notes.append(f"column {excerpt(repr(features[0]))} counts the rows; it is left out")
        del features[0]
    if not features:
        raise DataError(f"there is no column of numbers beside the labels, {excerpt(label)}; give at least one.")
    parts = [_column(name, columns[name]) for name in features]
    with np.errstate(over="ignore"):  # beyond float32 is not finite
        rows = np.concatenate(parts, 1).astype(np.float32)
    splits = None if split is None else [label_name(value) for value in columns[split]]
    return Table(rows, [label_name(value) for value in columns[label]], splits, tuple(notes))


def _matrix(rows: Any) -> np.ndarray:
    """Rows as `rows x width`, float32."""
    values = array_of(rows)
    if values.ndim == 1 and values.dtype == object and len(values):
        values = np.stack(_of_one_width("the rows", [row_of(row) for row in values]))
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"features of shape {values.shape} are no rows of numbers; give items x width.")
    if values.dtype.kind not in "biuf":
        flat = [_number("the rows", place // values.shape[1], value) for place, value in enumerate(values.flat)]
        values = np.array(flat).reshape(values.shape)
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _column(name: str, values: np.ndarray) -> np.ndarray:
    """A column as `rows x width`: one wide, or as wide as its lists."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)[:, None]
    if any(isinstance(value, list | tuple | np.ndarray) for value in values[:100]):
        lists = [None if is_missing(value) else row_of(value) for value in values]
        width = next(len(row) for row in lists if row is not None)
        filled = [np.full(width, np.nan) if row is None else row for row in lists]
        return np.stack(_of_one_width(f"column {excerpt(name)}", filled)).astype(np.float64)
    try:
        return np.array(list(map(float, values)))[:, None]
    except (TypeError, ValueError):  # a value is missing, or is not a number
        numbers = [_number(f"column {excerpt(name)}", row, value) for row, value in enumerate(values)]
        return np.array(numbers)[:, None]


def _of_one_width(what: str, rows: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    for place, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise DataError(
                f"{what} are of unlike width: {rows[0].size} numbers in row 1, {row.size} in row {place + 1}; give "
                "all of them equally many."
            )
    return rows


def _number(what: str, row: int, value: Any) -> float:
    converted = number(value)
    if converted is None:
        plain = value.item() if isinstance(value, np.generic) else value
        raise DataError(
            f"{what}, row {row + 1} has {excerpt(repr(plain))} among numbers; take the column out, or name it with "
            "label= (data.label=) if it holds the labels."
        )
    return converted


def _holds_text(values: np.ndarray) -> bool:
    """Whether a column is of text: judged by its first value that is not missing."""
    if values.dtype.kind in "biuf":
        return False
    first = next((value for value in values if not is_missing(value)), None)
    return not (first is None or isinstance(first, list | tuple | np.ndarray)) and number(first) is None


def _label_column(columns: Mapping[str, np.ndarray], texts: Sequence[str], split: str | None, label: str | None) -> str:
    if label is not None:
        if label not in columns:
            raise DataError(f"there is no column {excerpt(label)}; data.label may be {excerpts(list(columns))}.")
        return label
    named = [name for name in columns if name.strip().lower() in LABEL_NAMES and name != split]
    for candidates in (named, texts, [name for name in columns if name.strip().lower() == "y"]):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise DataError(
                f"several columns may hold the labels: {excerpts(candidates)}; name one with label= (data.label=)."
            )
    raise DataError(f"no column holds labels; name it with label= (data.label=): {excerpts(list(columns))}.")


def _numbers_rows(values: np.ndarray) -> bool:
    """Whether a column counts 0, 1, 2, ... or 1, 2, 3, ..., as an index does that was saved with a table."""
    if len(values) < 3 or _holds_text(values) or isinstance(values[0], list | tuple | np.ndarray):
        return False
    numbers = [number(value) for value in values]
    return any(numbers == list(range(start, start + len(values))) for start in (0, 1))
