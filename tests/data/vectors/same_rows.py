"""The same rows in files and objects of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas

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


def written(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "rows.csv").write_bytes(content)
        return folder / "rows.csv"

    return write
