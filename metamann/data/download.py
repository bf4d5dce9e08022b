"""Files of public data sets, downloaded into the cache folder where there is a network."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from pathlib import Path

from metamann.data.cache import cache_folder, write_atomically
from metamann.errors import DataError, excerpt

TIMEOUT_S = 30


def fetch(url: str, folder: str, remedy: str, sha256: str | None = None) -> Path:
    """The file of a URL in `folder` of the cache, downloaded if it is not there yet.

    Args:
        url: where it is published.
        folder: folder inside the cache folder.
        remedy: what a user without a network should do, for the error.
        sha256: start of its published checksum, where there is one.

    Raises:
        DataError: if it cannot be downloaded, kept, or is not what was published.
    """
    path = cache_folder() / folder / url.rpartition("/")[2]
    if path.is_file():
        return path
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{path.name} is not here and cannot be downloaded ({excerpt(error)}); {remedy}, or set METAMANN_DATA to "
            "the folder that has it."
        ) from error
    if sha256 and not hashlib.sha256(content).hexdigest().startswith(sha256):
        raise DataError(
            f"{path.name} was downloaded, but is not the file that was published (its sha256 is not {sha256}...); "
            f"{remedy}."
        )
    try:
        write_atomically(path, content)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error}); set METAMANN_CACHE to a folder that can.") from error
    return path
