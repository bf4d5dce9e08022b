"""Scores against naive loops, intervals against theory and simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metamann.data.store import ClassStore
from metamann.episodes.episode import PADDING, Episode, Stream
from metamann.episodes.items.protocols import EpisodeProtocol, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.evaluation.metrics import (
    Interval,
    in_percent,
    intervals,
    mean_interval,
    score_episodes,
)
from metamann.learners.streaming import StreamingLearner

CPU = torch.device("cpu")


class Scripted(StreamingLearner[Any]):
    """Answers that follow from the pixels, right now and then."""

    def adapt(self, support: Any, classes: Any, state: Any = None) -> Any:
        return (classes.codes.shape[1],)

    def predict(self, state: Any, inputs: Any) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        answer = (inputs.double().sum((-1, -2, -3)).remainder(7) % state[0]).long()
        return torch.nn.functional.one_hot(answer, state[0]).double().add(1e-3).log()

    def stream(self, stream: Any) -> Tensor:
        return self.predict(self.adapt(None, stream.classes), stream.inputs)


def naive_scores(batches: Sequence[Episode | Stream]) -> dict[str, list[float]]:
    right: list[dict[str, list[bool]]] = []
    for batch in batches:
        answers = Scripted().eval()(batch).argmax(-1)
        for labels, answered in zip(batch.targets.tolist(), answers.tolist(), strict=True):
            seen: dict[int, int] = {}
            scored: dict[str, list[bool]] = {"accuracy": []}
            for label, answer in zip(labels, answered, strict=True):
                if label == PADDING:
                    continue
                seen[label] = seen.get(label, 0) + 1
                scored["accuracy"].append(answer == label)
                if isinstance(batch, Stream) and seen[label] <= 10:
                    scored.setdefault(f"accuracy/instance_{seen[label]}", []).append(answer == label)
            right.append(scored)
    names = {name for scored in right for name in scored}
    return {name: [float(np.mean(each[name])) if name in each else math.nan for each in right] for name in names}


@pytest.mark.parametrize(
    "protocol",
    [
        NWayKShot(ways=[2, 5], shots=1, queries=3),
        OnlineStream(ways=4, steps=20),
        OnlineStream(ways=[2, 5], steps=13),
        OnlineStream(ways=[2, 3], steps=24),
    ],
    ids=["nway", "stream", "ragged", "long"],
)
@pytest.mark.parametrize("size", [1, 4, 12])
def test_scores_are_those_of_a_plain_loop(store: ClassStore, protocol: EpisodeProtocol, size: int) -> None:
    """One number an episode for every metric, NaN where it has no such instance, for any size of batch."""
    sampler = Sampler(store, protocol)
    batches = [sampler.batch(range(start, start + size)) for start in range(0, 12, size)]
    learner = Scripted().train()
    scores = score_episodes(learner, batches, CPU, "fp32")
    with torch.no_grad():
        expected = naive_scores(batches)
    assert scores.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values, err_msg=name)
    assert 0.1 < np.mean(scores["accuracy"]) < 0.9


def test_padded_positions_are_not_scored(store: ClassStore) -> None:
    stream = Sampler(store, OnlineStream(ways=2, steps=8)).batch(range(3))
    labels = stream.labels.clone()
    labels[0, 5:], labels[1] = PADDING, PADDING
    batches = [stream._replace(labels=labels)]
    scores = score_episodes(Scripted(), batches, CPU, "fp32")
    assert np.isnan(scores["accuracy"]).tolist() == [False, True, False]
    with torch.no_grad():
        answers = Scripted().eval()(batches[0]).argmax(-1)
    assert scores["accuracy"][0] == pytest.approx(float((answers == labels)[0, :5].float().mean()))


@settings(deadline=None, max_examples=40)
@given(scores=st.lists(st.floats(0, 1), min_size=2, max_size=30), gaps=st.integers(0, 3))
def test_interval_is_the_normal_one_cut_to_the_range(scores: list[float], gaps: int) -> None:
    mean, low, high = mean_interval(np.array(scores + [math.nan] * gaps))
    half = NormalDist().inv_cdf(0.975) * np.std(scores, ddof=1) / np.sqrt(len(scores))
    assert mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert low == pytest.approx(max(0, np.mean(scores) - half), abs=1e-6)
    assert high == pytest.approx(min(1, np.mean(scores) + half), abs=1e-6)


def test_interval_of_nothing_is_nan_and_of_one_episode_the_whole_range() -> None:
    assert all(math.isnan(value) for value in mean_interval(np.array([math.nan, math.nan])))
    assert mean_interval(np.array([0.7, math.nan])) == (0.7, 0.0, 1.0)
    assert mean_interval(np.array([0.7]), lowest=-1, highest=2) == (0.7, -1, 2)


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    scores = rng.binomial(25, 0.8, (2000, 100)) / 25
    covered = [low <= 0.8 <= high for _, low, high in map(mean_interval, scores)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_shares_end_at_one_and_bits_nowhere() -> None:
    values = np.array([0.0, 1.0, 1.0, 1.0])
    found = intervals({"accuracy": values, "bits_per_sequence": 40 * values})
    assert found["accuracy"].high == 1
    assert found["bits_per_sequence"].mean == 30
    assert found["bits_per_sequence"].high > 40


def test_shares_are_shown_in_percent_and_bits_say_what_they_are() -> None:
    found = in_percent({"accuracy": Interval(0.5, 0.25, 0.75), "bits_per_sequence": Interval(3.0, 2.0, 4.0)})
    assert found == {"accuracy": (50, 25, 75), "bits_per_sequence, in bits": (3, 2, 4)}
