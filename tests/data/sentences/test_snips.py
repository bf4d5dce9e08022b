"""SNIPS episodes: every fold has other domains, every support holds every slot of its domain."""

from __future__ import annotations

import functools
import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from metamann.data.sentences.fixed_episodes import FixedEpisode
from metamann.data.sentences.snips import snips
from metamann.data.sentences.store import Sentence, Span
from metamann.errors import DataError

once = functools.cache(snips)
SLOTS = (9, 9, 5, 7, 7, 14, 2)  # of the domain that a fold tests


@pytest.mark.parametrize(("shots", "queries"), [(1, 20), (5, 10)])
@pytest.mark.parametrize("fold", range(1, 8))
def test_test_episodes_are_as_published(text_data: Path, shots: int, queries: int, fold: int) -> None:
    splits = once(shots, fold)
    assert [len(splits.split(part).episodes) for part in ("train", "val", "test")] == [500, 100, 100]
    for episode in splits.test.episodes:
        assert len(episode.query) == queries
        assert len(episode.types) == SLOTS[fold - 1]
        counts = Counter(span.type for sentence in episode.support for span in sentence.spans)
        assert min(counts.values()) >= shots
        assert {span.type for sentence in episode.query for span in sentence.spans} <= set(episode.types)


def test_the_domain_of_test_is_in_no_other_split(text_data: Path) -> None:
    tests = [once(1, fold).test.types for fold in range(1, 8)]
    assert len(set(tests)) == 7
    for fold in range(1, 8):
        splits = once(1, fold)
        assert splits.val.types == tests[fold % 7]  # the next fold's
        train = {episode.types for episode in splits.train.episodes}
        assert train == set(tests) - {splits.val.types, splits.test.types}


def put(folder: Path, domains: Any, part: str = "test") -> None:
    path = folder / "snips_xval" / "xval_snips.tar.xz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as archive:
        for name in ("train", "valid", "test"):
            content = json.dumps(domains if name == part else {}).encode()
            member = tarfile.TarInfo(f"xval/xval_snips/snips_{name}_3.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def rows(words: list[list[str]], tags: list[list[str]]) -> dict[str, Any]:
    return {"seq_ins": words, "seq_outs": tags, "labels": ["x"] * len(words)}


def test_an_episode_is_read_with_the_slots_of_its_support(no_data: Path) -> None:
    episode = {
        "support": rows([["play", "abba", "now"]], [["O", "B-artist", "B-sort"]]),
        "query": rows([["hi"]], [["O"]]),
    }
    put(no_data, {"PlayMusic": [episode]})
    support = (Sentence(("play", "abba", "now"), (Span(1, 2, "artist"), Span(2, 3, "sort"))),)
    assert snips(1, 3).test.episodes == (FixedEpisode(support, (Sentence(("hi",), ()),), ("artist", "sort")),)


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ([], "holds no episodes"),
        ({"PlayMusic": [{}]}, "holds no episodes"),
        ({"PlayMusic": [{"support": rows([["a"]], [["O"]]), "query": 3}]}, "holds no episodes"),
        ({"PlayMusic": [{"support": rows([["a"]], [["x"]]), "query": rows([], [])}]}, r"PlayMusic 0: tag 'x' is not"),
        ({"PlayMusic": [{"support": rows([["a"]], []), "query": rows([], [])}]}, r"PlayMusic 0: words and labels"),
    ],
)
def test_members_that_are_no_episodes_are_named(no_data: Path, domains: Any, message: str) -> None:
    put(no_data, domains)
    with pytest.raises(DataError, match=rf"xval/xval_snips/snips_test_3\.json.*{message}"):
        snips(1, 3)


def test_archives_that_are_not_right_are_named(no_data: Path) -> None:
    with pytest.raises(DataError, match=rf"xval_snips\.tar\.xz of .* in {no_data}/snips_xval"):
        snips()
    put(no_data, {})
    with pytest.raises(DataError, match=r"cannot be read .*snips_train_1\.json.*replace it"):
        snips(1, 1)
    path = no_data / "snips_xval" / "xval_snips.tar.xz"
    for content in (path.read_bytes()[:100], b"no archive", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="replace it"):
            snips(1, 3)


@pytest.mark.parametrize(("shots", "fold"), [(3, 1), (1, 0), (5, 8)])
def test_unknown_shots_and_folds_are_named(shots: int, fold: int) -> None:
    with pytest.raises(DataError, match=r"set data\.(shots to 1 or 5|fold to 1 to 7)"):
        snips(shots, fold)
