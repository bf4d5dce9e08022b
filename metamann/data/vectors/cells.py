"""One value of a table: a number, a label, a list of numbers, or nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from metamann.errors import DataError, excerpt

MISSING = ("", "na", "n/a", "nan", "null", "none", "<na>")  # texts, in small letters


def array_of(values: Any) -> np.ndarray:
    """An iterable as an array; rows of unequal width become an array of rows.

    Raises:
        DataError: if it is no such thing.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return np.asarray(values.float() if values.is_floating_point() else values)
    if isinstance(values, list | tuple) and any(isinstance(value, Tensor) for value in values):
        values = [array_of(value) for value in values]
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        try:
            array = np.empty(len(values), dtype=object)
            for place, value in enumerate(values):
                array[place] = value
        except (TypeError, ValueError) as error:
            raise DataError(f"{excerpt(repr(values))} is no list of values; give an array.") from error
    if array.ndim == 0:
        raise DataError(f"{excerpt(repr(values))} is no list of values; give an array.")
    return array


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN, or their counterparts in other libraries."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    if isinstance(value, list | tuple | np.ndarray):
        return False
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):  # such as pandas.NA, which is neither equal nor unequal
        return True


def number(value: Any) -> float | None:
    """A value as a number, NaN where it is missing; None if it is something else."""
    if is_missing(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return math.inf


def row_of(value: Any) -> np.ndarray:
    """A list of numbers, `width`, float64; missing ones are NaN.

    Raises:
        DataError: if it is none.
    """
    numbers = [number(entry) for entry in np.ravel(array_of(value)).tolist()]
    if None in numbers:
        raise DataError(f"{excerpt(repr(value))} is no row of numbers; give numbers alone.")
    return np.array(numbers, dtype=np.float64)


def label_name(value: Any) -> str | None:
    """A label as text; None where it is missing. A whole number has no full stop, whatever its type.

    Raises:
        DataError: if it is a fraction, or neither text nor a number.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return value.strip() or None
    if is_missing(value):
        return None
    if isinstance(value, float | np.floating):
        if not float(value).is_integer():
            raise DataError(f"the label {excerpt(value)} is a fraction; labels are names or whole numbers.")
        return str(int(value))
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return str(value)
    raise DataError(f"the label {excerpt(repr(value))} is no name; labels are text or whole numbers.")
