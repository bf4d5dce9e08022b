"""Model files: the weights of a trained learner, its settings and its card, to give away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from metamann.application.tensor_archive import read_archive, write_archive
from metamann.errors import DataError, excerpt


class ModelAbout(NamedTuple):
    """What a model file says beside the weights.

    Attributes:
        settings: plain data that the learner is built from; what it may build is the reader's list, not the file's.
        card: for people.
        name: of a shipped model.
        calibration: `temperature` and how it was found; None where scores are the learner's own.
    """

    settings: dict[str, Any]
    card: str
    name: str | None
    calibration: Mapping[str, float] | None


def save_model_file(path: Path, weights: Mapping[str, Tensor], about: ModelAbout) -> None:
    """Write a model file.

    Raises:
        DataError: if it cannot be written.
    """
    write_archive(path, "model", weights, about._asdict())


def load_model_file(path: Path) -> tuple[dict[str, Tensor], ModelAbout]:
    """Weights and what is said about them; nothing is built.

    Raises:
        DataError: if it is no model file, or damaged.
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
    numbers = isinstance(value, dict) and all(type(each) in (int, float) for each in value.values())
    return numbers and 0 < value.get("temperature", 0) < float("inf")  # type: ignore[attr-defined]  # it is a dict
