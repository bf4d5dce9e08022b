"""Lake's runs as episodes: the drawings of one alphabet, queries that show the classes they are labelled with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from metamann.data.images.lake_runs import lake_runs
from metamann.data.images.omniglot import omniglot
from metamann.data.store import ClassStore
from metamann.episodes.episode import Episode
from metamann.episodes.items.one_shot_runs import LakeOneShotRuns
from metamann.episodes.sampler import Sampler
from metamann.errors import EpisodeError


@pytest.fixture
def evaluation(omniglot_data: Path) -> ClassStore:
    return omniglot("lake").test


def test_labels_are_the_characters_of_the_store(evaluation: ClassStore) -> None:
    sampler = Sampler(evaluation, LakeOneShotRuns())
    alphabets = []
    for run in range(20):
        plan = sampler.plan(run)
        classes = np.array([evaluation.class_of(int(row)) for row in plan.items])
        support, query = (
            dict(zip(plan.labels[part], classes[part], strict=True)) for part in (slice(20), slice(20, 40))
        )
        assert support == query
        assert sorted(support) == list(range(20))
        alphabets.append({evaluation.groups[number] for number in classes})
        assert len(set(plan.items.tolist())) == 40
    assert {len(groups) for groups in alphabets} == {1}
    # ten alphabets, two runs each, none of them rotated
    names = sorted(group for groups in alphabets for group in groups)
    assert names[::2] == names[1::2]
    assert len(set(names)) == 10
    assert not any("@" in name for name in names)


def test_the_drawings_are_those_of_the_run(evaluation: ClassStore) -> None:
    episode = Sampler(evaluation, LakeOneShotRuns(), seed=4).batch([3])
    assert isinstance(episode, Episode)
    for dealt, published in ((episode.support, lake_runs(28).support[3]), (episode.query, lake_runs(28).query[3])):
        assert isinstance(dealt.inputs, torch.Tensor)
        assert sorted(image.sum().item() for image in dealt.inputs[0]) == sorted(
            image.sum().item() for image in published
        )


def test_class_numbers_are_drawn_anew_for_every_seed(evaluation: ClassStore) -> None:
    first, second = (Sampler(evaluation, LakeOneShotRuns(), seed).plan(0) for seed in (0, 1))
    assert set(first.items) == set(second.items)
    assert dict(zip(first.items, first.labels, strict=True)) != dict(zip(second.items, second.labels, strict=True))


def test_other_data_are_refused(omniglot_data: Path, make_store: Callable[..., ClassStore]) -> None:
    with pytest.raises(EpisodeError, match=r"800 of the 800 drawings .* data.split=lake"):
        Sampler(make_store(size=28), LakeOneShotRuns())
