"""Files of public data sets, downloaded into the cache folder."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from metamann.data.cache import cache_folder, write_atomically
from metamann.errors import DataError, excerpt

TIMEOUT_S = 30
SCHEMES = ("https",)
LARGEST = 2**30  # bytes; the largest published file is a hundredth of it


def fetch(url: str, folder: str, remedy: str, sha256: str | None = None) -> Path:
    """The file of a URL in `folder` of the cache, downloaded if it is not there yet.

    Only https is used, also after a redirection, and nothing is written outside of the cache folder.

    Args:
        url: where it is published.
        folder: folder inside the cache folder.
        remedy: what a user without a network should do, for the error.
        sha256: start of its published checksum, where there is one.

    Raises:
        DataError: if it cannot be downloaded or written, or is not the published file.
    """
    path = cache_folder() / folder / url.rpartition("/")[2]
    if not path.resolve().is_relative_to(cache_folder().resolve()) or path.resolve() == cache_folder().resolve():
        raise DataError(f"{excerpt(path)} is not inside the cache folder; nothing is downloaded to it.")
    if path.is_file():
        return path
    try:
        _check_scheme(url)
        with urllib.request.build_opener(_SafeRedirects).open(url, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(LARGEST + 1)
            content_length = answer.headers.get("Content-Length")
        if len(content) > LARGEST:
            raise OSError(f"it is larger than {LARGEST} bytes")
        if content_length is not None and len(content) != int(content_length):
            raise OSError(f"it broke off after {len(content)} of {excerpt(content_length)} bytes")
    except (OSError, http.client.HTTPException, ValueError) as error:
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


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to https only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise urllib.error.URLError(f"only {' and '.join(SCHEMES)} is used, not {excerpt(scheme)}")
