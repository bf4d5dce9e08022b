"""Downloads: checked, kept once, and one clear message where they cannot be had."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from metamann.data import download
from metamann.data.download import fetch
from metamann.errors import DataError

CONTENT = b"as it was published"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "put it somewhere"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "TIMEOUT_S", 2)
    monkeypatch.setattr(download, "SCHEMES", ("https", "http", "file"))  # what can be published inside a test
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "published.zip"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("sha256", [None, SHA256, SHA256[:16]])
def test_a_file_is_downloaded_and_kept(cache: Path, published: Path, sha256: str | None) -> None:
    path = fetch(published.as_uri(), "set/part", REMEDY, sha256)
    assert path == cache / "set" / "part" / "published.zip"
    assert path.read_bytes() == CONTENT
    published.unlink()
    assert fetch(published.as_uri(), "set/part", REMEDY, sha256) == path


def test_another_checksum_is_refused_and_nothing_kept(cache: Path, published: Path) -> None:
    published.write_bytes(CONTENT + b"!")
    with pytest.raises(
        DataError, match=rf"published\.zip was downloaded, but is not the file.*{SHA256[:16]}.*{REMEDY}"
    ):
        fetch(published.as_uri(), "set", REMEDY, SHA256[:16])
    assert not [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/set.zip", "http://no-such-host.invalid/set.zip", "file:///x/set.zip"]
)
def test_no_network_is_one_message_with_the_way_out(cache: Path, url: str) -> None:
    with pytest.raises(DataError) as error:
        fetch(url, "set", REMEDY)
    for part in ("set.zip", REMEDY, "METAMANN_DATA"):
        assert part in str(error.value)
    assert not cache.exists()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/set.zip", "file:///etc/hostname", "data:,code/set.zip", "ftp://127.0.0.1/set.zip", "x"]
)
def test_only_https_is_spoken(cache: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SCHEMES", ("https",))
    with pytest.raises(DataError, match="only https is used"):
        fetch(url, "set", REMEDY)
    assert not cache.exists()


@pytest.mark.parametrize(("url", "folder"), [("https://x/..", ""), ("https://x/a", "../.."), ("https://x/a", "/tmp/a")])
def test_nothing_is_written_outside_of_the_cache(cache: Path, url: str, folder: str) -> None:
    with pytest.raises(DataError, match="not inside the cache folder"):
        fetch(url, folder, REMEDY)


class Redirecting(BaseHTTPRequestHandler):
    """Sends every visitor on to another scheme."""

    def do_GET(self) -> None:  # the name http.server calls
        self.send_response(302)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/set.zip")  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("serve", [Redirecting], indirect=True)
def test_a_redirection_to_another_scheme_is_not_followed(
    cache: Path, serve: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = download._check_scheme
    visits: list[str] = []

    def only_the_first_may_be_http(url: str) -> None:
        visits.append(url)
        if len(visits) > 1:
            monkeypatch.setattr(download, "SCHEMES", ("https",))
        real(url)

    monkeypatch.setattr(download, "_check_scheme", only_the_first_may_be_http)
    with pytest.raises(DataError, match="only https is used, not http"):
        fetch(f"{serve}/set.zip", "set", REMEDY)
    assert len(visits) == 2


class Interrupted(BaseHTTPRequestHandler):
    """Promises more than it sends."""

    def do_GET(self) -> None:  # the name http.server calls
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a server that answers in this way."""
    server = HTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("serve", [Interrupted], indirect=True)
def test_a_download_that_breaks_off_is_a_message_and_nothing_kept(cache: Path, serve: str) -> None:
    with pytest.raises(DataError, match=r"set\.zip"):
        fetch(f"{serve}/set.zip", "set", REMEDY)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_a_message(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written.*METAMANN_CACHE"):
        fetch(published.as_uri(), "set", REMEDY)
