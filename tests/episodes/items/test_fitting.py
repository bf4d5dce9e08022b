"""Classes that are too small for a protocol are left out and named; what is left deals all of its episodes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from messages import names

from metamann.data.store import ClassStore
from metamann.episodes.items.fitting import fitting_classes
from metamann.episodes.items.one_shot_runs import LakeOneShotRuns
from metamann.episodes.items.protocols import LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.sampler import Sampler
from metamann.errors import EpisodeError


def store_of(sizes: Sequence[int], groups: Sequence[str] | None = None) -> ClassStore:
    images = [torch.full((size, 1, 2, 2), number, dtype=torch.uint8) for number, size in enumerate(sizes)]
    names = [f"class{number}" for number in range(len(sizes))]
    return ClassStore.from_classes("own", images, names, groups or [""] * len(sizes))


@pytest.mark.parametrize(
    ("protocol", "items"),
    [
        (NWayKShot(ways=2, shots=1, queries=3), 4),
        (NWayKShot(ways=2, shots=[1, 5], queries=3), 8),
        (NWayKShot(ways=[2, 4], shots=5, queries=15), 20),
        (OnlineStream(ways=5, steps=50), 10),
        (OnlineStream(ways=5, steps=51), 11),
        (OnlineStream(ways=[2, 5], steps=10), 5),
        (LakeOneShotRuns(), 0),
    ],
)
def test_what_a_protocol_needs_of_a_class(protocol: NWayKShot | OnlineStream | LakeOneShotRuns, items: int) -> None:
    assert protocol.need().items == items


PROTOCOLS = st.one_of(
    st.builds(
        NWayKShot,
        ways=st.sampled_from([1, 2, [1, 3]]),
        shots=st.sampled_from([1, 2, [1, 3]]),
        queries=st.integers(1, 3),
    ),
    st.builds(OnlineStream, ways=st.sampled_from([1, 2, [1, 3]]), steps=st.integers(3, 8)),
)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), PROTOCOLS)
def test_large_classes_are_dealt_and_small_ones_are_named(sizes: list[int], protocol: NWayKShot | OnlineStream) -> None:
    store = store_of(sizes)
    need = protocol.need().items
    large = [number for number, size in enumerate(sizes) if size >= need]
    small = [number for number, size in enumerate(sizes) if size < need]
    if len(large) < protocol.max_ways:
        with pytest.raises(EpisodeError):
            Sampler(fitting_classes(store, protocol)[0], protocol)
        return
    fitting, notes = fitting_classes(store, protocol)
    assert fitting.class_names == tuple(f"class{number}" for number in large)
    assert Sampler(fitting, protocol).batch([0, 1])
    assert (fitting is store) == (not notes) == (not small)
    assert all(f"class{number} ({sizes[number]})" in notes[0] for number in small[:5])


def test_the_note_says_which_classes_and_why() -> None:
    _, notes = fitting_classes(store_of([1, 9, 9, 3, 9]), NWayKShot(ways=3, shots=1, queries=3))
    (note,) = notes
    assert names(
        note, "2 of 5 classes of 'own' left out", " 4 items", "1 shots and 3 queries", " class0 (1), class3 (3)"
    )


def test_too_few_classes_that_are_left_are_refused_with_their_names() -> None:
    with pytest.raises(EpisodeError) as raised:
        fitting_classes(store_of([1, 9, 9, 3]), NWayKShot(ways=3, shots=1, queries=3))
    for part in ("has 2", "protocol.ways to at most 2", "class0 (1), class3 (3)", "protocol.shots or protocol.queries"):
        assert part in str(raised.value)
    with pytest.raises(EpisodeError, match=r"class0 \(1\)\..*Lower protocol\.steps or raise protocol\.ways"):
        fitting_classes(store_of([1, 9]), OnlineStream(ways=2, steps=10))


def test_no_class_that_is_large_enough_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"all classes of 'own' .* 16 items.*class0 \(1\), class1"):
        fitting_classes(store_of([1, 9, 9]), NWayKShot(ways=3))
    with pytest.raises(EpisodeError, match=r"4-way .* 4 classes, .*'own' has 3"):
        fitting_classes(store_of([1, 9, 9]), NWayKShot(ways=4))


def test_groups_count_what_is_left_of_them() -> None:
    store = store_of([9, 1, 9, 9], ["a", "a", "b", "b"])
    within = NWayKShot(ways=2, shots=1, queries=3, within_group=True)
    assert set(fitting_classes(store, within)[0].groups) == {"a", "b"}
    with pytest.raises(EpisodeError, match=r"class1 \(1\)"):
        fitting_classes(store_of([9, 1, 9], ["a", "a", "b"]), within)


@pytest.mark.parametrize(
    "protocol",
    [NWayKShot(shots="many"), NWayKShot(shots=0), OnlineStream(ways=0), NWayKShot(codes=LabelCodes(width=1))],  # type: ignore[arg-type]
)
def test_settings_that_are_wrong_are_refused_as_ever(protocol: NWayKShot | OnlineStream) -> None:
    with pytest.raises(EpisodeError, match=r"protocol\."):
        fitting_classes(store_of([1, *[30] * 9]), protocol)


def test_a_split_without_classes_says_how_to_get_some() -> None:
    empty = ClassStore(
        "folder/own/val", torch.zeros(0, 1, 2, 2, dtype=torch.uint8), (), (), store_of([1]).first_item[:1]
    )
    with pytest.raises(EpisodeError, match=r"'folder/own/val' has no classes\. Give it some"):
        Sampler(fitting_classes(empty, NWayKShot())[0], NWayKShot())
