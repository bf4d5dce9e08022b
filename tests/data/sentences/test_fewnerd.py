"""Few-NERD INTER: the published counts and types; the released episodes, figure by figure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from metamann.data.sentences import fewnerd as fewnerd_module
from metamann.data.sentences.fewnerd import fewnerd, fewnerd_episodes
from metamann.data.sentences.fixed_episodes import FixedEpisode
from metamann.data.sentences.store import Sentence, SentenceSplits, Span
from metamann.errors import DataError


@pytest.fixture(scope="module")
def released(text_data: Path) -> tuple[FixedEpisode, ...]:
    return fewnerd_episodes().val.episodes


def test_counts_are_the_published_ones(fewnerd_splits: SentenceSplits, count: Callable[..., tuple[int, ...]]) -> None:
    assert count(fewnerd_splits.val.sentences) == (18817, 426011, 34830, 13)
    assert count(fewnerd_splits.test.sentences) == (14007, 312782, 28342, 17)
    assert count(fewnerd_splits.train.sentences) == (11710 + 13012, 312919 + 345620, 27797 + 30608, 36)


def test_types_are_those_of_the_setting(fewnerd_splits: SentenceSplits, text_data: Path) -> None:
    setting = json.loads((text_data / "fewnerd" / "type_splits" / "inter.labels.jsonl").read_text())
    for part, published in (("train", "train"), ("val", "dev"), ("test", "test")):
        assert fewnerd_splits.split(part).types == tuple(sorted(setting[published]))


def test_texts_shared_by_the_published_splits_are_counted(fewnerd_splits: SentenceSplits) -> None:
    assert fewnerd_splits.shared_texts == {("train", "val"): 51, ("train", "test"): 42, ("val", "test"): 65}


def test_the_share_of_the_training_part_and_broken_tags_are_stated(fewnerd_splits: SentenceSplits) -> None:
    assert "19 % of the INTER training sentences (24,722 of 130,112)" in fewnerd_splits.notes[0]
    assert re.findall(r"(\d+) of [\d,]+ tags stand", " ".join(fewnerd_splits.notes)) == ["22", "11"]


def test_every_sentence_has_an_entity_and_no_neighbours_of_one_type(fewnerd_splits: SentenceSplits) -> None:
    for part in ("train", "val", "test"):
        for sentence in fewnerd_splits.split(part).sentences:
            assert sentence.spans
            for one, two in zip(sentence.spans, sentence.spans[1:], strict=False):
                assert one.end < two.start or (one.end == two.start and one.type != two.type)


def test_figures_of_the_released_episodes(released: tuple[FixedEpisode, ...]) -> None:
    assert len(released) == 1000
    assert {len(episode.types) for episode in released} == {5}
    assert round(sum(len(episode.support) for episode in released) / 1000, 2) == 4.95
    assert round(sum(len(episode.query) for episode in released) / 1000, 2) == 4.95
    for episode in released:
        for part in (episode.support, episode.query):
            counts = Counter(span.type for sentence in part for span in sentence.spans)
            assert set(counts) == set(episode.types)
            assert max(counts.values()) <= 2
    sentences = [sentence for episode in released for sentence in episode.support + episode.query]
    tokens = sum(len(sentence.tokens) for sentence in sentences)
    spans = [span for sentence in sentences for span in sentence.spans]
    assert (len(spans), tokens) == (12762, 210879)
    assert round(1 - sum(span.end - span.start for span in spans) / tokens, 3) == 0.861
    shared = [
        episode
        for episode in released
        if {sentence.tokens for sentence in episode.support} & {sentence.tokens for sentence in episode.query}
    ]
    assert len(shared) == 2


def test_released_sentences_are_those_of_the_validation_split(
    released: tuple[FixedEpisode, ...], fewnerd_splits: SentenceSplits
) -> None:
    """In lower case; what was labelled is labelled the same."""
    lowered = {(tuple(token.lower() for token in tokens), spans) for tokens, spans in fewnerd_splits.val.sentences}
    sentences = [tuple(sentence) for episode in released for sentence in episode.support + episode.query]
    assert len(set(sentences)) >= 5263
    assert set(sentences) <= lowered


def write(folder: Path, train: str, val: str, test: str) -> None:
    for name, text in (
        ("inter_train_subset/dev.txt", train),
        ("inter_train_subset/test.txt", "z\tB-event_other\n"),
        ("inter/val-inter-new.txt", val),
        ("inter/test-inter.txt", test),
    ):
        path = folder / "fewnerd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_subset_is_read_as_it_was_published(no_data: Path) -> None:
    train = "a\tB-art_film/tv_x\nb\tB-art_film/tv_x\nc\tI-art_film/tv_x\nd\tI-art_other\ne\tO\nf\tB-art_other\n"
    write(no_data, train, "a\tart-music\nb\tart-music\n", "a\tlaw-x\n")
    assert fewnerd().train.sentences[0] == Sentence(
        tuple("abcdef"), (Span(0, 3, "art-film/tv_x"), Span(3, 4, "art-other"), Span(5, 6, "art-other"))
    )


def test_a_type_in_two_splits_is_refused(no_data: Path) -> None:
    write(no_data, "a\tB-art_film\n", "a\tart-film\n", "a\tlaw-x\n")
    with pytest.raises(DataError, match=r"'train' and 'val' of 'fewnerd/inter' .* 1 types.*'art-film'"):
        fewnerd()


def test_missing_files_are_named_with_their_folder(no_data: Path) -> None:
    with pytest.raises(DataError, match=rf"put dev\.txt in {no_data}/fewnerd/inter_train_subset"):
        fewnerd()
    with pytest.raises(DataError, match=rf"put dev_5_1\.jsonl in {no_data}/fewnerd/episode-data/inter"):
        fewnerd_episodes()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        '{"support": {"word": [["a"]], "label": [["O"]]}}',
        '{"support": {"word": [["a"]], "label": [["O"]]}, "query": {"word": [["a"]], "label": []}, "types": ["x"]}',
        '{"support": {"word": [], "label": []}, "query": {"word": [], "label": []}, "types": 5}',
        '{"support": {"word": [], "label": []}, "query": {"word": [], "label": []}, "types": [5]}',
    ],
)
def test_an_episode_that_is_none_is_named_with_its_line(no_data: Path, line: str) -> None:
    path = no_data / "fewnerd" / next(iter(fewnerd_module.RELEASED))
    path.parent.mkdir(parents=True)
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=r"dev_5_1\.jsonl, line 2.*replace the file"):
        fewnerd_episodes()
