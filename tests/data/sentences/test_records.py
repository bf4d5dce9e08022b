"""Records: enough types and kinds of text, held-out types, spans where the values are, all of it from the seed."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metamann.data.sentences import records as records_module
from metamann.data.sentences.record_values import Values
from metamann.data.sentences.records import TYPES, records, segments
from metamann.data.sentences.store import Sentence, SentenceSplits
from metamann.errors import ConfigError

PARTS = ("train", "val", "test")
SMALL = (300, 100, 100)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> SentenceSplits:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METAMANN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return records()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("METAMANN_CACHE", str(tmp_path))
    return tmp_path


def test_types_are_many_and_disjoint(splits: SentenceSplits) -> None:
    assert {part: splits.split(part).types for part in PARTS} == {part: tuple(sorted(TYPES[part])) for part in PARTS}
    assert [len(TYPES[part]) for part in PARTS] == [18, 6, 6]
    assert splits.disjoint_types


def test_every_type_stands_in_several_kinds_of_text_and_templates() -> None:
    kinds, templates = defaultdict(set), Counter[str]()
    for segment in segments():
        templates.update(set(segment.types))
        for type_ in segment.types:
            kinds[type_].add(segment.kind)
    assert set(templates) == {type_ for part in PARTS for type_ in TYPES[part]}
    assert min(templates.values()) >= 5
    assert min(len(each) for each in kinds.values()) >= 3
    assert len({segment.kind for segment in segments()}) == 10
    for kind in {segment.kind for segment in segments()}:  # each kind has all splits, and segments without entities
        found = [set(segment.types) for segment in segments() if segment.kind == kind]
        assert sum(not types for types in found) >= 4
        for part in PARTS:
            assert sum(bool(types) and types <= set(TYPES[part]) for types in found) >= 4


def test_a_template_never_mixes_types_of_two_splits() -> None:
    for segment in segments():
        assert sum(bool(set(segment.types) & set(TYPES[part])) for part in PARTS) <= 1


def test_all_types_are_met_often_and_no_text_twice(splits: SentenceSplits) -> None:
    assert [len(splits.split(part).sentences) for part in PARTS] == [4000, 1000, 1000]
    assert set(splits.shared_texts.values()) == {0}
    for part in PARTS:
        sentences = splits.split(part).sentences
        assert len({sentence.tokens for sentence in sentences}) == len(sentences)
        counts = Counter(span.type for sentence in sentences for span in sentence.spans)
        assert min(counts.values()) >= 150
        assert 0.03 < sum(not sentence.spans for sentence in sentences) / len(sentences) < 0.15


def test_spans_lie_in_their_sentence_and_nothing_of_a_template_is_left(splits: SentenceSplits) -> None:
    for part in PARTS:
        for sentence in splits.split(part).sentences:
            borders = [border for span in sentence.spans for border in span[:2]]
            assert borders == sorted(borders)
            assert not borders or borders[-1] <= len(sentence.tokens)
            assert all(span.start < span.end for span in sentence.spans)
            assert all(token and not re.search(r"\s|\[|\]|\{|\}|^<|\|", token) for token in sentence.tokens)


FORMS = {
    "email": r".+@.+\..+",
    "ip_address": r"\d+\.\d+\.\d+\.\d+",
    "flight": r"[A-Z]{2} ?\d{3,4}",
    "order_number": r"[A-Z0-9 /-]+",
    "amount": r".*\d.*",
    "date": r".*\d.*",
    "website": r"\S+\.(com|org|eu|io)\S*",
    "university": r".*(university|college|institute|academy).*",
}


def test_values_are_where_the_spans_are(splits: SentenceSplits) -> None:
    seen = Counter[str]()
    for part in PARTS:
        for sentence in splits.split(part).sentences:
            for start, end, type_ in sentence.spans:
                if type_ in FORMS:
                    assert re.fullmatch(FORMS[type_], " ".join(sentence.tokens[start:end]), re.IGNORECASE)
                    seen[type_] += 1
    assert set(seen) == set(FORMS)


def guess_by(sentences: tuple[Sentence, ...], features: Any) -> float:
    """Share of spans that the most frequent type of their feature, counted on the other half, names."""
    half = len(sentences) // 2
    table: dict[Any, Counter[str]] = defaultdict(Counter)
    for sentence in sentences[:half]:
        for span in sentence.spans:
            table[features(sentence, span)][span.type] += 1
    rest = [(sentence, span) for sentence in sentences[half:] for span in sentence.spans]
    right = sum(
        table[features(sentence, span)].most_common(1)[0][0] == span.type
        for sentence, span in rest
        if table[features(sentence, span)]
    )
    return right / len(rest)


def test_the_place_in_the_sentence_does_not_give_the_type_away(splits: SentenceSplits) -> None:
    for part in PARTS:
        sentences = splits.split(part).sentences
        counts = Counter(span.type for sentence in sentences for span in sentence.spans)
        most = counts.most_common(1)[0][1] / counts.total()
        assert guess_by(sentences, lambda sentence, span: span.start) < most + 0.15
        assert guess_by(sentences, lambda sentence, span: (span.start, span.end)) < most + 0.25


def test_segments_stand_in_any_order(splits: SentenceSplits) -> None:
    places = set()
    for sentence in splits.train.sentences:
        text = " ".join(sentence.tokens)
        if sentence.spans and "stays with the owner ." in text:
            places.add(text.endswith("stays with the owner ."))
    assert places == {True, False}


def test_values_are_seldom_seen_again(splits: SentenceSplits) -> None:
    """But for countries and languages, of which there are only some hundreds."""
    values: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for part in PARTS:
        for sentence in splits.split(part).sentences:
            for start, end, type_ in sentence.spans:
                values[type_].append(sentence.tokens[start:end])
    for type_, found in values.items():
        assert len(set(found)) > (0.25 if type_ in ("country", "language") else 0.4) * len(found)
    assert any(not token.isascii() for sentence in splits.train.sentences for token in sentence.tokens)


def test_the_same_seed_gives_the_same_sentences_and_leaves_random_states_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    first = records(SMALL)
    assert before == (random.getstate(), np.random.get_state()[1].tolist())
    monkeypatch.setenv("METAMANN_CACHE", str(cache / "other"))
    random.seed(2)
    again, other = records(SMALL), records(SMALL, seed=1)
    for part in PARTS:
        assert again.split(part).fingerprint == first.split(part).fingerprint
        assert other.split(part).fingerprint != first.split(part).fingerprint


PUBLISHED = {  # sentences of each split and seed: fingerprints that published results name
    ((4000, 1000, 1000), 0): (
        "63ee54028a589aef1e3d6ce4e863ce9cc22f93b55c31f6007be85bc3dc3afd53",
        "5eef993f36269fea478b8c22a544e420dbcb615e8377266d854af7aae9b5bc82",
        "422c304835da271a4c65ce7d5e874217ffa337855a83ea45288ed5b13d4c2721",
    ),
    ((300, 100, 100), 1): (
        "c9fbed09e655d3afea672e2bac8e1a7660c11c18de30f7d55801d68dcba4f326",
        "b20269a1f7a4bc49eae701965592ef30a4ce8f6fb03aebb75b24c360bc0366cc",
        "498057329b098309171bf803cba31ecd5d88e1039b8924c4ea7979ad673bb24a",
    ),
    ((400, 60, 200), 7): (
        "297a0f2b890316851ca8201a31d51ce16effe99afbdd99223e3f1023682022f8",
        "b50f3ea7c8c3d4a9ffaf227f60fd5fd7d87ef8ed444095db88f71aa0197fce80",
        "871a4ee847cbb0d1c9330700217ff65e7180c55a680ac3b524b525dc031d682f",
    ),
}


@pytest.mark.parametrize(("sentences", "seed"), PUBLISHED)
def test_sentences_are_those_of_the_published_results(sentences: tuple[int, ...], seed: int) -> None:
    made = records(sentences, seed)
    assert tuple(made.split(part).fingerprint for part in PARTS) == PUBLISHED[sentences, seed]


def test_every_process_makes_the_same_sentences(tmp_path: Path) -> None:
    """The order of sets differs from process to process, and sentences must not follow from it."""
    code = "from metamann.data.sentences.records import records; s = records((400, 60, 200))"
    code += "; print([s.split(part).fingerprint for part in ('train', 'val', 'test')])"
    made = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "METAMANN_CACHE": str(tmp_path / seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]


def test_the_cache_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = records(SMALL)

    def made_again(*_: object) -> None:
        raise AssertionError("made although it was cached")

    monkeypatch.setattr(records_module, "_make", made_again)
    assert records(SMALL).test.sentences == first.test.sentences
    assert type(records(SMALL).test.sentences[0]) is Sentence


def test_a_value_has_commas_of_their_own_and_no_line_break() -> None:
    values = Values(0)
    for part in PARTS:
        for type_ in TYPES[part]:
            for _ in range(40):
                value = values.of(type_)
                assert value
                assert all(token == "," or not token.endswith(",") for token in value)


@pytest.mark.parametrize(
    ("sentences", "seed"), [((1, 2), 0), ((10, 0, 10), 0), ((1, 1, -1), 0), ((1, 1, 1), -1), ((1, 1, 1), 2**64)]
)
def test_numbers_that_make_no_sense_are_named(sentences: tuple[int, ...], seed: int) -> None:
    with pytest.raises(ConfigError, match=r"data\.sentences=" if seed == 0 else rf"data\.seed={seed}"):
        records(sentences, seed)
