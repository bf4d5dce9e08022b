"""Shared by the tests of readers: the real data sets, where they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from metamann.data import download
from metamann.data.sentences.store import Sentence

TEXT_FOLDERS = ("conll2003", "corpora", "crossner", "fewnerd", "gum", "snips_xval", "support_sets", "wnut17")


@pytest.fixture(scope="session")
def text_data() -> Path:
    """The data folder; it holds every published data set of text."""
    folder = Path(os.environ.get("METAMANN_DATA", ""))
    missing = [name for name in TEXT_FOLDERS if not (folder / name).is_dir()]
    if not missing:
        return folder
    reason = f"the data sets {', '.join(missing)} are not in METAMANN_DATA ({folder})"
    if os.environ.get("METAMANN_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty data and cache folders, and no way to download: the data folder."""
    monkeypatch.setenv("METAMANN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(download, "TIMEOUT_S", 2)
    monkeypatch.setattr(download, "SCHEMES", ("https", "http", "file"))  # what can be published inside a test
    return tmp_path / "data"


@pytest.fixture(scope="session")
def count() -> Callable[[Iterable[Sentence]], tuple[int, int, int, int]]:
    """Sentences, tokens, entities and types, as the tables of the data sets count them."""

    def counted(sentences: Iterable[Sentence]) -> tuple[int, int, int, int]:
        each = list(sentences)
        types = Counter(span.type for sentence in each for span in sentence.spans)
        return len(each), sum(len(sentence.tokens) for sentence in each), types.total(), len(types)

    return counted
