"""Model files: the weights of a trained learner, its settings and its card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from metamann.application.tensor_archive import read_archive, write_archive
from metamann.errors import DataError, excerpt


class ModelAbout(NamedTuple):
    """The content of a model file besides the weights.

    Attributes:
        settings: plain data from which the learner is built; the reader decides which classes are trusted.
        card: description for users.
        name: name of a shipped model; None otherwise.
        calibration: `temperature` and its statistics; None if scores are not calibrated.
    """

    settings: dict[str, Any]
    card: str
    name: str | None
    calibration: Mapping[str, float] | None


def save_model_file(path: Path, weights: Mapping[str, Tensor], about: ModelAbout) -> None:
    """Write a model file.

    Raises:
        DataError: if the file cannot be written.
    """
    write_archive(path, "model", weights, about._asdict())


def load_model_file(path: Path) -> tuple[dict[str, Tensor], ModelAbout]:
    """Read the weights and the other content of a model file; nothing is built.

    Raises:
        DataError: if the file is no model file, or damaged.
    """
    weights, about = read_archive(path, "model")
    settings, card, name, calibration = (about.get(field) for field in ModelAbout._fields)
    plain = isinstance(settings, dict) and isinstance(card, str) and isinstance(name, str | None)
    if not plain or not _is_calibration(calibration):
        raise DataError(f"{excerpt(path)} is a damaged model file (settings, card or calibration); save it again.")
    return weights, ModelAbout(settings, card, name, calibration)  # type: ignore[arg-type]  # checked above


def _is_calibration(value: object) -> bool:
    if value is None:
        return True
    numbers = isinstance(value, dict) and all(type(number) in (int, float) for number in value.values())
    return numbers and 0 < value.get("temperature", 0) < float("inf")  # type: ignore[attr-defined]  # it is a dict
