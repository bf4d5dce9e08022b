"""Files of rows: `.npz`, CSV with a header, Parquet. The format is detected from the content, not from the name."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from metamann.data.text_files import decode, read_bytes
from metamann.data.vectors.cells import number
from metamann.data.vectors.table import SPLIT_NAME, Table, table_of_arrays, table_of_columns
from metamann.errors import DataError, excerpt, excerpts

FEATURES = ("x", "features", "embeddings", "vectors")
LABELS = ("y", "labels", "label", "classes", "targets", "target")
CLASS_NAMES = ("classes", "class_names", "label_names", "names")
SEPARATORS = ",;\t"
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")


def read_file(path: Path, label: str | None) -> Table:
    """Read a file.

    Args:
        path: of the file.
        label: name of the column, or array, of labels; None finds it.

    Raises:
        DataError: if it cannot be read, or is none of these.
    """
    content = read_bytes(path)
    if content.startswith(b"PK"):
        return _arrays(path, content, label)
    if content.startswith(b"PAR1"):
        return table_of_columns(_parquet(path, content), label)
    if content.startswith((b"\x93NUMPY", b"\x89HDF")) or b"\0" in content[:1000]:
        raise DataError(f"{excerpt(path)} is none of .npz, CSV and Parquet; save rows and labels as one of them.")
    columns, notes = _csv(path, decode(path, content))
    table = table_of_columns(columns, label)
    return table._replace(notes=(*notes, *table.notes))


def _arrays(path: Path, content: bytes, label: str | None) -> Table:
    """The arrays of a `.npz` file; nothing in it is unpickled."""
    arrays: dict[str, np.ndarray] = {}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            for name in stored.files:
                arrays[name] = stored[name]
    except (ValueError, OSError, EOFError, MemoryError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"array {excerpt(name)} of {excerpt(path)} holds Python objects, which are not opened; save text as "
                "array.astype(str) and numbers as floats."
            ) from error
        raise DataError(
            f"{excerpt(path)} cannot be read ({excerpt(error)}); save it again with numpy.savez."
        ) from error
    except Exception as error:  # zlib and others have errors of their own
        raise DataError(f"{excerpt(path)} is damaged ({excerpt(error)}); save it again with numpy.savez.") from error
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    features = _named(arrays, FEATURES, [name for name, array in arrays.items() if array.ndim > 1])
    if features is None:
        raise DataError(f"{excerpt(path)} has no array of features; name it X. It holds {_shapes(arrays)}.")
    rows = len(arrays[features]) if arrays[features].ndim else 0
    fitting = {
        name: array
        for name, array in arrays.items()
        if name != features and name.lower() != SPLIT_NAME and array.size == rows and rows in array.shape
    }
    if label is not None and label not in fitting:
        raise DataError(
            f"there are no labels {excerpt(label)} for {rows:,} rows; {excerpt(path)} holds {_shapes(arrays)}."
        )
    labels = label or _named(fitting, LABELS, list(fitting))
    if labels is None:
        raise DataError(f"{excerpt(path)} has no array of labels; name it y. It holds {_shapes(arrays)}.")
    splits = next((array for name, array in arrays.items() if name.lower() == SPLIT_NAME), None)
    names = _named({name: array for name, array in arrays.items() if name not in (features, labels)}, CLASS_NAMES, [])
    named = arrays[labels] if names is None else _by_name(arrays[labels], arrays[names])
    return table_of_arrays(arrays[features], named, splits)


def _by_name(numbers: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Names of numbered classes; the numbers themselves if there are no names, or too few."""
    fit = numbers.size and numbers.dtype.kind in "iu" and names.ndim == 1 and names.dtype.kind in "US"
    return names[numbers] if fit and numbers.min() >= 0 and numbers.max() < len(names) else numbers


def _named(arrays: dict[str, np.ndarray], names: tuple[str, ...], others: list[str]) -> str | None:
    """The array of the first of these names, in any case; else the only one of some others."""
    lower = {name.lower(): name for name in arrays}
    usual = next((lower[name] for name in names if name in lower), None)
    return usual if usual is not None or len(others) != 1 else others[0]


def _shapes(arrays: dict[str, np.ndarray]) -> str:
    return excerpts([f"{name} {array.shape}" for name, array in arrays.items()]) or "nothing"


def _csv(path: Path, text: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns of a CSV file by their names, and notes."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines: list[list[str]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(cells)
            if lines and len(lines[-1]) != len(lines[0]):
                raise DataError(
                    f"rows of unlike width: {excerpt(path)}, line {reader.line_num} has {len(lines[-1])} columns, but "
                    f"the header has {len(lines[0])}; repair the line."
                )
    except csv.Error as error:
        raise DataError(f"{excerpt(path)}, line {reader.line_num} is no CSV ({error}); export it again.") from error
    header = [name.strip() for name in lines[0]] if lines else []
    if len(lines) < 2:
        raise DataError(f"{excerpt(path)} has no rows below a header; give one for each item.")
    if all(number(name) is not None for name in header):
        raise DataError(f"{excerpt(path)} has no header; put a line with the names of its columns on top.")
    check_names(header)
    notes = []
    rows = lines[1:]
    if separator != "," and any(DECIMAL_COMMA.fullmatch(cell.strip()) for row in rows[:100] for cell in row):
        notes.append("numbers have a decimal comma")
        rows = [
            [cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell.strip()) else cell for cell in row] for row in rows
        ]
    return {name: _texts(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)}, notes


def _texts(cells: tuple[str, ...]) -> np.ndarray:
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


def check_names(names: list[str]) -> None:
    """Refuse columns with the same name.

    Raises:
        DataError: with the name.
    """
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise DataError(f"two columns are called {excerpt(repr(twice))}; rename one.")


def _parquet(path: Path, content: bytes) -> dict[str, np.ndarray]:
    """Columns of a Parquet file by their names."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f'{excerpt(path)} needs the package pyarrow: pip install "metamann[tables]".') from error
    try:
        table: Any = pyarrow.parquet.read_table(pyarrow.BufferReader(content))
        check_names(table.column_names)
        return {name: table[name].to_numpy() for name in table.column_names}
    except (pyarrow.ArrowException, OSError, MemoryError) as error:
        raise DataError(f"{excerpt(path)} cannot be read ({excerpt(error)}); write the Parquet file again.") from error
