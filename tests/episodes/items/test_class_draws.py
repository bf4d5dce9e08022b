"""Classes of several groups at once: dealt evenly, refused where they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metamann.data.store import ClassStore
from metamann.episodes.items.protocols import NWayKShot
from metamann.episodes.sampler import Sampler
from metamann.errors import EpisodeError


def test_classes_come_evenly_from_so_many_groups(make_store: Callable[..., ClassStore]) -> None:
    store = make_store(classes=24, groups=4)
    protocol = NWayKShot(ways=9, queries=2, groups=3)
    for index in range(20):
        plan = Sampler(store, protocol).plan(index)
        classes = {int(label): store.class_of(int(row)) for row, label in zip(plan.items, plan.labels, strict=True)}
        groups = [store.groups[number] for number in classes.values()]
        assert len(set(classes.values())) == 9
        assert sorted(groups.count(group) for group in set(groups)) == [3, 3, 3]
    first = [Sampler(store, protocol).plan(index).labels[0] for index in range(20)]
    assert len(set(first)) > 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ways": 10, "groups": 3}, "a multiple of it"),
        ({"ways": (6, 9), "groups": 3}, "a fixed number of ways"),
        ({"ways": 9, "groups": 3, "within_group": True}, r"excludes protocol\.within_group"),
        ({"ways": 9, "groups": 0}, r"protocol\.groups=0 must be 1 to"),
        ({"ways": 24, "groups": 3}, "needs as many groups of 8 classes, but 'tiny' has 0"),
    ],
)
def test_groups_that_cannot_be_dealt_are_refused(
    settings: dict[str, Any], message: str, make_store: Callable[..., ClassStore]
) -> None:
    with pytest.raises(EpisodeError, match=message):
        Sampler(make_store(classes=24, groups=4), NWayKShot(queries=2, **settings))


def test_protocols_without_groups_deal_the_episodes_that_they_always_dealt() -> None:
    assert "groups" not in NWayKShot().describe()
