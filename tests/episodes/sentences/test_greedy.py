"""Greedy episodes: K to 2K entities of every class, no text twice, the distribution of drawing with replacement."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_sentences import random_episodes, random_store

from metamann.data.sentences.mixture import mixed
from metamann.data.sentences.store import Sentence, SentenceSplits, SentenceStore, Span
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences import greedy_source
from metamann.episodes.sentences.greedy import GreedySentences
from metamann.episodes.sentences.protocols import SentencePlan
from metamann.errors import EpisodeError

STORE = random_store(600)


def draw(store: SentenceStore, protocol: GreedySentences, episodes: int, seed: int = 0) -> list[SentencePlan]:
    sampler = Sampler(store, protocol, seed)
    return [sampler.plan(index) for index in range(episodes)]


def entities(sentence: Sentence, scheme: str) -> Counter[str]:
    counts = Counter(span.type for span in sentence.spans)
    for one, other in zip(sentence.spans, sentence.spans[1:], strict=False):
        if scheme == "io" and (one.end, one.type) == (other.start, other.type):
            counts[one.type] -= 1
    return counts


def total(sentences: list[Sentence], scheme: str) -> Counter[str]:
    return sum((entities(sentence, scheme) for sentence in sentences), Counter())


@settings(deadline=None, max_examples=60)
@given(
    ways=st.integers(1, 5),
    shots=st.integers(1, 4),
    queries=st.none() | st.integers(1, 5),
    other_types=st.booleans(),
    empty=st.integers(0, 3),
    scheme=st.sampled_from(["io", "bio"]),
    seed=st.integers(0, 99),
)
def test_an_episode_is_what_its_settings_say(
    ways: int, shots: int, queries: int | None, other_types: bool, empty: int, scheme: Any, seed: int
) -> None:
    protocol = GreedySentences(ways, shots, queries, other_types, empty, scheme)
    (plan,) = draw(STORE, protocol, 1, seed)
    types = [STORE.types[number] for number in plan.types]
    assert len(set(types)) == ways
    texts = [STORE.sentences[row].tokens for part in (plan.support, plan.query) for row in part]
    assert len(set(texts)) == len(texts)
    for rows, least in ((plan.support, shots), (plan.query, queries or shots)):
        sentences = [STORE.sentences[row] for row in rows]
        counts = total(sentences, scheme)
        assert all(least <= counts[name] <= 2 * least for name in types)
        without = [each for each in sentences if not set(types) & set(entities(each, scheme))]
        assert len(without) == empty
        if not other_types:
            assert set(counts) <= set(types)
        # greedy: the sentences can be ordered so that each had a class below K, which bounds their number
        assert len(rows) - empty <= ways * least


def test_other_types_stand_in_the_sentences_only_where_asked_for() -> None:
    plans = draw(STORE, GreedySentences(3, 2, other_types=True), 30)
    others = [
        set(entities(STORE.sentences[row], "io")) - {STORE.types[number] for number in plan.types}
        for plan in plans
        for row in plan.support
    ]
    assert 0.1 < np.mean([bool(each) for each in others]) < 0.9


def test_ranges_are_all_drawn() -> None:
    protocol = GreedySentences([2, 4], [1, 2], [1, 2], True, [0, 1])
    seen = set()
    for plan in draw(STORE, protocol, 300):
        types = [STORE.types[number] for number in plan.types]
        fewest = [min(total([STORE.sentences[row] for row in part], "io")[name] for name in types) for part in plan[:2]]
        empty = sum(not set(types) & set(entities(STORE.sentences[row], "io")) for row in plan.support)
        seen.add((len(types), *fewest, empty))
    # a set for K = 1 may hold two of every class: what is seen has all of what is asked for
    assert {(n, k, q, e) for n in (2, 3, 4) for k in (1, 2) for q in (1, 2) for e in (0, 1)} <= seen


def with_replacement(store: SentenceStore, ways: int, shots: int, rng: np.random.Generator) -> list[list[int]] | None:
    """The published loop, written down as it is: draw, skip if taken, take if it fits; None where it never ends."""
    types = [str(name) for name in rng.choice(store.types, ways, replace=False)]
    counts = [entities(sentence, "io") for sentence in store.sentences]
    candidates = [row for row, count in enumerate(counts) if count and set(count) <= set(types)]
    taken: list[int] = []
    parts: list[list[int]] = []
    for _ in range(2):
        part: list[int] = []
        have: Counter[str] = Counter()
        for _ in range(3000):
            if all(have[name] >= shots for name in types):
                break
            row = int(rng.choice(candidates))
            text = store.sentences[row].tokens
            fits = all(have[name] + counts[row][name] <= 2 * shots for name in counts[row])
            if text not in taken and fits and any(have[name] < shots for name in counts[row]):
                have += counts[row]
                part.append(row)
                taken.append(text)
        else:
            return None
        parts.append(part)
    return parts


def test_one_pass_is_drawing_with_replacement() -> None:
    """Means of what an episode holds agree with the published loop within their standard errors."""
    store = random_store(60, types=4, seed=5)
    rng = np.random.default_rng(0)
    drawn = [parts for _ in range(500) if (parts := with_replacement(store, 3, 2, rng)) is not None]
    ours = [[list(plan.support), list(plan.query)] for plan in draw(store, GreedySentences(3, 2), 500)]

    def figures(parts: list[list[int]]) -> list[float]:
        sentences = [[store.sentences[row] for row in part] for part in parts]
        return [
            *(len(part) for part in parts),
            *(sum(total(part, "io").values()) for part in sentences),
            *(sum(len(each.tokens) for each in part) for part in sentences),
        ]

    theirs, mine = np.array([figures(each) for each in drawn]), np.array([figures(each) for each in ours])
    error = np.sqrt(theirs.var(0) / len(theirs) + mine.var(0) / len(mine))
    assert (abs(theirs.mean(0) - mine.mean(0)) < 4 * error).all()
    # how often each sentence is drawn, by chi-square; about 70 rows, 99.9 % point of 80 degrees of freedom
    table = np.array(
        [np.bincount([row for each in some for part in each for row in part], minlength=72) for some in (drawn, ours)]
    )
    table = table[:, table.sum(0) >= 10]
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    assert ((table - expected) ** 2 / expected).sum() < 124.8


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_how_many_sentences_are_looked_at_together_changes_nothing(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = draw(STORE, GreedySentences([2, 5], [1, 4]), 40)
    monkeypatch.setattr(greedy_source, "CANDIDATES_AT_ONCE", at_once)
    for one, other in zip(draw(STORE, GreedySentences([2, 5], [1, 4]), 40), expected, strict=True):
        assert all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def test_class_numbers_tell_nothing_about_the_type() -> None:
    """Every (type, class) pair is as frequent as any other: chi-square below its 99.9 % point."""
    table = np.zeros((7, 4))
    for plan in draw(STORE, GreedySentences(4, 1), 1400):
        table[plan.types, np.arange(4)] += 1
    expected = table.sum(1, keepdims=True) / 4
    assert ((table - expected) ** 2 / expected).sum() < 42.3  # of 18 degrees of freedom
    assert table.sum() == 1400 * 4


def test_an_order_of_drawing_is_hidden() -> None:
    """Of two sentences, one of the common type and one of the rare, either may stand first."""
    common = [Sentence((f"c{number}",), (Span(0, 1, "common"),)) for number in range(60)]
    rare = [Sentence((f"r{number}",), (Span(0, 1, "rare"),)) for number in range(2)]
    store = SentenceStore("toy", (*common, *rare))
    plans = draw(store, GreedySentences(2, 1), 400)
    for part in ("support", "query"):
        rare_first = np.mean([getattr(plan, part)[0] >= 60 for plan in plans])
        assert 0.4 < rare_first < 0.6


def test_a_type_without_entities_enough_takes_no_part() -> None:
    lonely = Sentence(("once",), (Span(0, 1, "aa"),))
    store = SentenceStore("toy", (lonely, *STORE.sentences))
    plans = draw(store, GreedySentences(3, 1), 100)
    assert store.types[0] == "aa"
    assert {int(number) for plan in plans for number in plan.types} == set(range(1, 8))


def test_a_draw_that_gets_stuck_is_drawn_anew() -> None:
    """Type b stands alone once, and otherwise beside three of a, which is too many for one shot."""
    crowded = [
        Sentence((f"x{number}", "y", "z", "b"), (*(Span(k, k + 1, "a") for k in range(3)), Span(3, 4, "b")))
        for number in range(5)
    ]
    alone = [Sentence((name, str(number)), (Span(0, 1, name),)) for name in "acd" for number in range(5)]
    once = Sentence(("b",), (Span(0, 1, "b"),))
    store = SentenceStore("toy", (*crowded, *alone, once))
    plans = draw(store, GreedySentences(2, 1, scheme="bio"), 50)
    assert {store.types[number] for plan in plans for number in plan.types} == {"a", "c", "d"}


def test_draws_that_all_get_stuck_end_with_the_settings_named() -> None:
    crowded = [
        Sentence((f"x{number}", "y", "z"), (*(Span(k, k + 1, "a") for k in range(2)), Span(2, 3, "b")))
        for number in range(5)
    ]
    store = SentenceStore("toy", tuple(crowded))
    sampler = Sampler(store, GreedySentences(2, 1, scheme="io"))
    assert len(sampler.plan(0).support) == 1
    stuck = Sampler(SentenceStore("toy", tuple(crowded[:1] * 5)), GreedySentences(2, 1))
    with pytest.raises(EpisodeError, match=r"'toy'.*2 ways, 1 shots and 1 queries.*protocol\.shots"):
        stuck.plan(0)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (GreedySentences(ways=8), r"8-way.*'toy' has 7"),
        (GreedySentences(ways=0), r"protocol\.ways"),
        (GreedySentences(shots=[3, 2]), r"protocol\.shots"),
        (GreedySentences(queries=0), r"protocol\.queries"),
        (GreedySentences(shots=10**6), "2000000 entities.*has 0 among its 7"),
        (GreedySentences(empty_sentences=-1), r"protocol\.empty_sentences"),
        (GreedySentences(empty_sentences=10**4), r"protocol\.empty_sentences=10000.*20000.*other_types"),
        (GreedySentences(scheme="iob"), r"protocol\.scheme"),  # type: ignore[arg-type]
        (GreedySentences(ways=3, codes=LabelCodes(width=3)), "4 classes"),
        (GreedySentences(ways=3, scheme="bio", codes=LabelCodes(width=6)), "7 classes"),
    ],
)
def test_what_the_store_cannot_give_is_refused_at_start(protocol: GreedySentences, message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        Sampler(STORE, protocol)


def test_episodes_are_not_drawn_from_episodes() -> None:
    with pytest.raises(EpisodeError, match="fixed_sentences"):
        Sampler(random_episodes(), GreedySentences())


def test_episodes_of_fewnerd_look_like_the_released_ones(fewnerd_splits: SentenceSplits) -> None:
    """The released file has 4.95 + 4.95 sentences, 12.762 entities and 210.9 tokens an episode."""
    sentences_of = fewnerd_splits.val.sentences
    plans = draw(fewnerd_splits.val, GreedySentences(5, 1), 400)
    sizes = np.array([[len(plan.support), len(plan.query)] for plan in plans])
    sentences = [[sentences_of[row] for part in plan[:2] for row in part] for plan in plans]
    assert abs(sizes.mean(0) - 4.95).max() < 0.12
    assert np.mean([sum(len(each.spans) for each in some) for some in sentences]) == pytest.approx(12.762, abs=0.3)
    assert np.mean([sum(len(each.tokens) for each in some) for some in sentences]) == pytest.approx(210.9, abs=9)


def test_a_share_of_episodes_has_other_types() -> None:
    def with_others(share: bool | float) -> float:
        plans = draw(STORE, GreedySentences(3, 2, other_types=share), 200)
        found = [
            any(
                set(entities(STORE.sentences[row], "io")) - {STORE.types[number] for number in plan.types}
                for row in (*plan.support, *plan.query)
            )
            for plan in plans
        ]
        return float(np.mean(found))

    always = with_others(True)
    assert with_others(0.5) == pytest.approx(always / 2, abs=0.12)
    assert with_others(False) == 0


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), "often"])
def test_what_is_no_share_is_refused(share: Any) -> None:
    with pytest.raises(EpisodeError, match=r"protocol\.other_types"):
        GreedySentences(3, 2, other_types=share).source(STORE)


class TestMixture:
    """Episodes of several corpora."""

    @pytest.fixture
    def mixture(self) -> Any:
        few = tuple(Sentence((f"w{number}", "x"), (Span(0, 1, "only"),)) for number in range(9))
        return mixed("toy", {"many": STORE.sentences, "few": few}, {"many": 1.0, "few": 3.0})

    def test_an_episode_comes_from_one_corpus_as_often_as_its_weight_says(self, mixture: Any) -> None:
        sampler = Sampler(mixture, GreedySentences(ways=[1, 3], shots=1), seed=0)
        corpora = []
        for index in range(300):
            plan = sampler.plan(index)
            rows = np.concatenate([plan.support, plan.query])
            (corpus,) = {bool(row >= len(STORE.sentences)) for row in rows}
            assert all(mixture.types[number].startswith("few/" if corpus else "many/") for number in plan.types)
            corpora.append(corpus)
        assert np.mean(corpora) == pytest.approx(0.75, abs=0.08)

    def test_a_corpus_of_fewer_types_gives_all_of_them(self, mixture: Any) -> None:
        sampler = Sampler(mixture, GreedySentences(ways=3, shots=2), seed=0)
        assert {len(sampler.plan(index).types) for index in range(40)} == {1, 3}

    def test_labels_are_those_of_the_sentences(self, mixture: Any) -> None:
        sampler = Sampler(mixture, GreedySentences(ways=2, shots=1), seed=0)
        for index in range(20):
            plan, episode = sampler.plan(index), sampler.batch([index])
            for row, labels in zip(plan.query, episode.query.labels[0], strict=True):
                sentence = mixture.sentences[row]
                types = ["O"] * len(sentence.tokens)
                for span in sentence.spans:
                    types[span.start : span.end] = [span.type] * (span.end - span.start)
                names = ["O", *(mixture.types[number] for number in plan.types)]
                found = [names[label] for label in labels[: len(types)].tolist()]
                assert found == [name if name in names else "O" for name in types]
