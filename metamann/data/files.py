"""Files of published data sets of text: in the data folder, else downloaded where they may be."""

from __future__ import annotations

from pathlib import Path

from metamann.data.cache import data_folder
from metamann.data.download import fetch
from metamann.errors import DataError


def local_file(relative: str, source: str) -> Path:
    """A file that is not downloaded, because its licence or its packing does not allow it.

    Args:
        relative: its path inside the data folder.
        source: where it comes from, for the error.

    Raises:
        DataError: if it is not there.
    """
    path = data_folder() / relative
    if path.is_file():
        return path
    raise DataError(
        f"{path.name} of {source} is not here and is not downloaded. Put it in {path.parent}, or set METAMANN_DATA to "
        "the folder that has it."
    )


def public_file(relative: str, url: str, sha256: str | None = None) -> Path:
    """A file in the data folder, else downloaded into the cache folder.

    Args:
        relative: its path inside the data folder.
        url: where it is published, under the same name.
        sha256: start of its checksum, where there is one.

    Raises:
        DataError: if it is not there and cannot be downloaded, or is not what was published.
    """
    path = data_folder() / relative
    if path.is_file():
        return path
    return fetch(url, str(Path(relative).parent), f"put {path.name} in {path.parent}", sha256)
