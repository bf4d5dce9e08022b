"""Entity scores against seqeval and nervaluate, the traps of tags as cases, intervals against plain resampling."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate import Evaluator
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB1, IOB2
from torch import Tensor

from metamann.episodes.episode import PADDING
from metamann.errors import EpisodeError
from metamann.evaluation.spans import (
    COUNTED,
    count_spans,
    paired_difference,
    span_intervals,
    span_scores,
    type_confusion,
)

TYPES = ("aa", "bb", "cc")
few = settings(deadline=None, max_examples=60)


def names(tags: list[int], scheme: str) -> list[str]:
    """Tags as seqeval takes them; entities of `io` are all I."""
    if scheme == "io":
        return ["O" if tag == 0 else f"I-{TYPES[tag - 1]}" for tag in tags]
    return ["O" if tag == 0 else f"{'B' if tag % 2 else 'I'}-{TYPES[(tag - 1) // 2]}" for tag in tags]


def batch(episodes: list[list[list[int]]]) -> Tensor:
    """`batch x sentences x length` of ragged tags."""
    most = max(map(len, episodes))
    longest = max((len(sentence) for episode in episodes for sentence in episode), default=0)
    tags = torch.full((len(episodes), most, longest), PADDING)
    for number, episode in enumerate(episodes):
        for row, sentence in enumerate(episode):
            tags[number, row, : len(sentence)] = torch.tensor(sentence, dtype=torch.int64)
    return tags


def legal(sentence: list[int]) -> list[int]:
    """Under `bio`: an I that continues nothing becomes a B."""
    tags: list[int] = []
    for tag in sentence:
        before = tags[-1] if tags else 0
        tags.append(tag - 1 if tag > 0 and tag % 2 == 0 and before not in (tag, tag - 1) else tag)
    return tags


@st.composite
def answered(draw: Any, scheme: str) -> tuple[list[list[list[int]]], list[list[list[int]]]]:
    """Episodes of sentences with true tags, legal ones, and any answers; half of the words are answered rightly."""
    tag = st.integers(0, len(TYPES) * (1 if scheme == "io" else 2))
    word = st.tuples(tag, tag, st.booleans())
    words = draw(
        st.lists(st.lists(st.lists(word, min_size=1, max_size=7), min_size=1, max_size=4), min_size=1, max_size=3)
    )
    gold = [[[true for true, _, _ in sentence] for sentence in episode] for episode in words]
    if scheme == "bio":
        gold = [[legal(sentence) for sentence in episode] for episode in gold]
    predicted = [
        [
            [true if right else other for true, (_, other, right) in zip(row, sentence, strict=True)]
            for row, sentence in zip(rows, episode, strict=True)
        ]
        for rows, episode in zip(gold, words, strict=True)
    ]
    return gold, predicted


def pooled(gold: list[list[list[int]]], predicted: list[list[list[int]]], scheme: Any) -> dict[str, float]:
    counts = count_spans(batch(predicted), batch(gold), scheme)
    return {name: float(value) for name, value in span_scores(counts.sum(0), scheme).items()}


def sentences_of(episodes: list[list[list[int]]], scheme: str) -> list[list[str]]:
    return [names(sentence, scheme) for episode in episodes for sentence in episode]


def seqeval(true: list[list[str]], answers: list[list[str]], **how: Any) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scores of nothing, which are 0
        found = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
        return {name: float(score(true, answers, **how)) for name, score in found.items()}


@few
@given(episodes=answered("io"))
def test_io_scores_are_those_of_seqeval(episodes: Any) -> None:
    """In its default mode and as strict IOB1."""
    found = pooled(*episodes, "io")
    true, answers = (sentences_of(each, "io") for each in episodes)
    for how in ({}, {"mode": "strict", "scheme": IOB1}):
        for name, value in seqeval(true, answers, **how).items():
            assert found[name] == pytest.approx(value), name


@few
@given(episodes=answered("bio"))
def test_bio_scores_are_those_of_seqeval_lenient_and_strict(episodes: Any) -> None:
    found = pooled(*episodes, "bio")
    true, answers = (sentences_of(each, "bio") for each in episodes)
    for name, value in seqeval(true, answers).items():
        assert found[name] == pytest.approx(value), name
    assert found["strict_f1"] == pytest.approx(seqeval(true, answers, mode="strict", scheme=IOB2)["f1"])


@few
@given(scheme=st.sampled_from(["io", "bio"]), data=st.data())
def test_typed_and_untyped_scores_are_those_of_nervaluate(scheme: Any, data: st.DataObject) -> None:
    gold, predicted = data.draw(answered(scheme))

    def spans(episodes: list[list[list[int]]]) -> list[list[dict[str, Any]]]:
        found = []
        for sentence in sentences_of(episodes, scheme):
            rows: list[dict[str, Any]] = []
            for position, tag in enumerate(sentence):
                before = rows[-1] if rows and rows[-1]["end"] == position - 1 else None
                if before and tag.startswith("I-") and before["label"] == tag[2:]:
                    before["end"] = position
                elif tag != "O":
                    rows.append({"label": tag[2:], "start": position, "end": position})
            found.append(rows)
        return found

    result = Evaluator(spans(gold), spans(predicted), tags=list(TYPES), loader="dict").evaluate()["overall"]
    found = pooled(gold, predicted, scheme)
    assert found["f1"] == pytest.approx(result["strict"].f1)
    assert found["precision"] == pytest.approx(result["strict"].precision)
    assert found["recall"] == pytest.approx(result["strict"].recall)
    assert found["span_f1"] == pytest.approx(result["exact"].f1)
    if result["exact"].correct:
        assert found["typing_accuracy"] == pytest.approx(result["strict"].correct / result["exact"].correct)
    else:
        assert np.isnan(found["typing_accuracy"])


@few
@given(scheme=st.sampled_from(["io", "bio"]), data=st.data())
def test_rates_count_words_as_a_plain_loop(scheme: Any, data: st.DataObject) -> None:
    gold, predicted = data.draw(answered(scheme))
    pairs = [
        pair
        for rows, answers in zip(gold, predicted, strict=True)
        for row, answer in zip(rows, answers, strict=True)
        for pair in zip(row, answer, strict=True)
    ]
    found = pooled(gold, predicted, scheme)
    assert found["false_positive_rate"] == pytest.approx(np.mean([true == 0 < answer for true, answer in pairs]))
    assert found["false_negative_rate"] == pytest.approx(np.mean([answer == 0 < true for true, answer in pairs]))


@few
@given(scheme=st.sampled_from(["io", "bio"]), data=st.data())
def test_counts_are_of_each_episode_whatever_stands_at_padding(scheme: Any, data: st.DataObject) -> None:
    gold, predicted = data.draw(answered(scheme))
    truth, answers = batch(gold), batch(predicted)
    together = count_spans(answers, truth, scheme)
    assert together.shape == (len(gold), len(COUNTED))
    for number, (true, answer) in enumerate(zip(gold, predicted, strict=True)):
        assert np.array_equal(count_spans(batch([answer]), batch([true]), scheme)[0], together[number])
    garbage = answers.masked_fill(truth == PADDING, 1)
    assert np.array_equal(count_spans(garbage, truth, scheme), together)


def test_a_span_ends_with_its_sentence() -> None:
    """Sentences laid behind one another, as the public code of Few-NERD lays them, would make one span of two."""
    assert count_spans(batch([[[1, 1], [1, 1]]]), batch([[[1, 1], [1, 1]]]), "io")[0].tolist()[:3] == [2, 2, 2]


def test_types_with_one_ending_are_not_equal() -> None:
    """Raw tags of Few-NERD in seqeval: `art-other` is read as type `other`, and so is `building-other`."""
    assert seqeval([["art-other", "O"]], [["building-other", "O"]])["f1"] == 1
    assert pooled([[[1, 0]]], [[[2, 0]]], "io")["f1"] == 0
    assert pooled([[[1, 0]]], [[[2, 0]]], "io")["span_f1"] == 1


def test_io_tags_are_nothing_to_strict_iob2() -> None:
    tags = [[[0, 1, 1]]]
    true = sentences_of(tags, "io")
    assert seqeval(true, true, mode="strict", scheme=IOB2)["f1"] == 0
    assert pooled(tags, tags, "io")["f1"] == 1
    assert "strict_f1" not in pooled(tags, tags, "io")


def test_neighbours_of_one_type_are_two_under_bio_and_one_under_io() -> None:
    bio = pooled([[[1, 2, 1, 2]]], [[[1, 2, 2, 2]]], "bio")  # the answer is what IO can say
    assert bio["f1"] == 0
    assert pooled([[[1, 1, 1, 1]]], [[[1, 1, 1, 1]]], "io")["f1"] == 1


def test_an_answer_that_starts_inside_counts_unless_strict() -> None:
    found = pooled([[[0, 1, 2]]], [[[0, 2, 2]]], "bio")
    assert (found["f1"], found["strict_f1"], found["precision"]) == (1, 0, 1)


def test_pooled_f1_is_not_the_mean_of_episodes() -> None:
    gold, predicted = [[[1, 0, 1, 0, 1]], [[1, 0, 0, 0, 0]]], [[[1, 0, 1, 0, 1]], [[0, 0, 0, 0, 0]]]
    counts = count_spans(batch(predicted), batch(gold), "io")
    found = span_intervals(counts, "io")
    assert found["f1"].mean == pytest.approx(2 * 3 / (4 + 3))
    assert found["episode_f1"].mean == pytest.approx(0.5)


@pytest.mark.parametrize("scheme", ["io", "bio"])
def test_nothing_found_where_nothing_is_scores_zero_as_in_seqeval(scheme: Any) -> None:
    found = pooled([[[0, 0]]], [[[0, 0]]], scheme)
    assert (found["f1"], found["precision"], found["recall"], found["span_f1"]) == (0, 0, 0, 0)
    assert seqeval([["O", "O"]], [["O", "O"]])["f1"] == 0
    assert np.isnan(found["typing_accuracy"])
    assert (found["false_positive_rate"], found["false_negative_rate"]) == (0, 0)


@pytest.mark.parametrize("shape", [(2, 0, 0), (2, 3, 0), (0, 0, 0)])
def test_no_sentences_at_all_count_nothing(shape: tuple[int, ...]) -> None:
    tags = torch.zeros(shape, dtype=torch.int64)
    assert count_spans(tags, tags, "bio").tolist() == [[0] * len(COUNTED)] * shape[0]
    assert type_confusion(tags, tags, [np.array([0])] * shape[0], 3, "bio").sum() == 0


def random_counts(episodes: int, seed: int = 0, right: float = 0.5) -> np.ndarray:
    """Counts of IO answers, `right` of the words answered rightly."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 4, (episodes, 2, 8))
    predicted = np.where(rng.random(gold.shape) < right, gold, rng.integers(0, 4, gold.shape))
    return count_spans(torch.from_numpy(predicted), torch.from_numpy(gold), "io")


def test_intervals_are_those_of_plain_resampling() -> None:
    counts = random_counts(80)
    found = span_intervals(counts, "io")
    rng = np.random.default_rng(1)
    f1 = span_scores(counts, "io")["f1"]
    samples = [rng.integers(80, size=80) for _ in range(4000)]
    plain: dict[str, list[float]] = {"episode_f1": [float(f1[rows].mean()) for rows in samples]}
    for rows in samples:
        for name, value in span_scores(counts[rows].sum(0), "io").items():
            plain.setdefault(name, []).append(float(value))
    assert plain.keys() == found.keys()
    for name, values in plain.items():
        mean, low, high = found[name]
        assert low < mean < high
        np.testing.assert_allclose([low, high], np.percentile(values, [2.5, 97.5]), atol=0.1 * (high - low))


def test_an_interval_is_the_same_for_the_same_seed() -> None:
    counts = random_counts(50)
    assert span_intervals(counts, "io", 3) == span_intervals(counts, "io", 3)
    assert span_intervals(counts, "io", 3)["f1"] != span_intervals(counts, "io", 4)["f1"]


def test_an_interval_covers_the_true_score_as_often_as_it_says() -> None:
    true = float(span_scores(random_counts(40_000, 99).sum(0), "io")["f1"])
    covered = []
    for seed in range(150):
        _, low, high = span_intervals(random_counts(60, seed), "io")["f1"]
        covered.append(low <= true <= high)
    assert 0.89 <= np.mean(covered) <= 0.99


def test_one_episode_says_nothing_of_others() -> None:
    found = span_intervals(random_counts(1), "io")
    assert (found["f1"].low, found["f1"].high) == (0, 1)
    assert 0 < found["f1"].mean < 1


def test_scores_of_nothing_have_no_interval() -> None:
    found = span_intervals(np.zeros((5, len(COUNTED)), dtype=np.int64), "io")
    assert np.isnan(found["typing_accuracy"]).all()
    assert found["f1"] == (0, 0, 0)


def test_a_difference_is_paired() -> None:
    """Episodes differ much more than the two answers do: apart the intervals overlap, paired they do not reach 0."""
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 19, 200)
    base = np.zeros((200, len(COUNTED)), dtype=np.int64)
    base[:, COUNTED.index("gold")] = base[:, COUNTED.index("predicted")] = 20
    base[:, COUNTED.index("correct")] = base[:, COUNTED.index("bounded")] = hard
    better = base.copy()
    better[:, COUNTED.index("correct")] += rng.integers(0, 2, 200)
    apart = span_intervals(better, "io")["f1"], span_intervals(base, "io")["f1"]
    assert apart[0].low < apart[1].high
    mean, low, high = paired_difference(better, base, "io")["f1"]
    assert 0 < low < mean < high
    assert mean == pytest.approx(apart[0].mean - apart[1].mean)
    assert paired_difference(base, base, "io")["f1"] == (0, 0, 0)
    assert paired_difference(base, better, "io")["f1"] == pytest.approx((-mean, -high, -low))


def test_episodes_that_are_not_the_same_are_not_paired() -> None:
    with pytest.raises(EpisodeError, match="20 and 30 episodes"):
        paired_difference(random_counts(20), random_counts(30), "io")


@few
@given(episodes=answered("io"), seed=st.integers(0, 99))
def test_confusions_are_those_of_a_plain_loop(episodes: Any, seed: int) -> None:
    gold, predicted = episodes
    rng = np.random.default_rng(seed)
    types = [rng.permutation(5)[:3] for _ in gold]

    def runs(sentence: list[int], numbers: np.ndarray) -> dict[tuple[int, int], int]:
        found: dict[tuple[int, int], int] = {}
        start = 0
        for position in range(1, len(sentence) + 1):
            if position == len(sentence) or sentence[position] != sentence[start]:
                if sentence[start]:
                    found[start, position] = int(numbers[sentence[start] - 1])
                start = position
        return found

    expected = np.zeros((6, 6), dtype=np.int64)
    for rows, answers, numbers in zip(gold, predicted, types, strict=True):
        for row, answer in zip(rows, answers, strict=True):
            true, given_ = runs(row, numbers), runs(answer, numbers)
            for place in true.keys() | given_.keys():
                expected[true.get(place, 5), given_.get(place, 5)] += 1
    found = type_confusion(batch(predicted), batch(gold), types, 5, "io")
    np.testing.assert_array_equal(found, expected)
    counts = dict(zip(COUNTED, count_spans(batch(predicted), batch(gold), "io").sum(0), strict=True))
    assert (found[:5].sum(), found[:, :5].sum()) == (counts["gold"], counts["predicted"])
    assert (found[:5, :5].sum(), found[:5, :5].trace()) == (counts["bounded"], counts["correct"])
