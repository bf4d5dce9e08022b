"""Protocols: the right items in random order, class numbers that tell nothing, refusals with the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metamann.data.store import ClassStore
from metamann.episodes.episode import PADDING
from metamann.episodes.items.protocols import EpisodeProtocol, LabelCodes, NWayKShot, OnlineStream
from metamann.episodes.items.source import Plan
from metamann.episodes.sampler import Sampler
from metamann.errors import EpisodeError

small = settings(deadline=None, max_examples=25)
MakeStore = Callable[..., ClassStore]


def class_of(store: ClassStore, items: np.ndarray) -> np.ndarray:
    return np.searchsorted(store.first_item, items, side="right") - 1


def draws(store: ClassStore, protocol: EpisodeProtocol, episodes: int, seed: int = 0) -> list[Plan]:
    sampler = Sampler(store, protocol, seed)
    return [sampler.plan(index) for index in range(episodes)]


def assert_labels_number_the_classes(store: ClassStore, plan: Plan) -> None:
    """One class a label, one label a class, numbered from 0 without a gap."""
    real = plan.labels != PADDING
    pairs = set(zip(plan.labels[real].tolist(), class_of(store, plan.items[real]).tolist(), strict=True))
    assert sorted(label for label, _ in pairs) == list(range(plan.n_classes))
    assert len({number for _, number in pairs}) == plan.n_classes


@small
@given(
    ways=st.integers(1, 12), shots=st.integers(1, 6), queries=st.integers(1, 6), seed=st.integers(0, 99), data=st.data()
)
def test_nway_gives_every_class_its_shots_and_queries(
    store: ClassStore, ways: int, shots: int, queries: int, seed: int, data: st.DataObject
) -> None:
    within_group = data.draw(st.booleans()) and ways <= 6
    protocol = NWayKShot(ways, shots, queries, within_group)
    (plan,) = draws(store, protocol, 1, seed)
    support, query = np.split(plan.items, [protocol.support_size])
    support_labels, query_labels = np.split(plan.labels, [protocol.support_size])
    assert len(set(plan.items.tolist())) == ways * (shots + queries)  # no item twice: support and query are disjoint
    assert set(Counter(support_labels.tolist()).values()) == {shots}
    assert set(Counter(query_labels.tolist()).values()) == {queries}
    assert len(support) == ways * shots
    assert len(query) == ways * queries
    assert_labels_number_the_classes(store, plan)
    if within_group:
        assert len({store.groups[number] for number in class_of(store, plan.items)}) == 1


def test_ranges_of_ways_and_shots_are_padded_and_all_drawn(store: ClassStore) -> None:
    protocol = NWayKShot(ways=[2, 4], shots=[1, 3], queries=2)
    seen = set()
    for plan in draws(store, protocol, 200):
        assert plan.items.shape == plan.labels.shape == (4 * 3 + 4 * 2,)
        support, query = np.split(plan.labels, [12])
        real = int((support != PADDING).sum())
        ways, shots = plan.n_classes, real // plan.n_classes
        seen.add((ways, shots))
        assert Counter(support.tolist()) == {**dict.fromkeys(range(ways), shots), **padding(12 - ways * shots)}
        assert Counter(query.tolist()) == {**dict.fromkeys(range(ways), 2), **padding(8 - ways * 2)}
        assert (plan.items[plan.labels == PADDING] == 0).all()
        assert_labels_number_the_classes(store, plan)
    assert seen == {(ways, shots) for ways in (2, 3, 4) for shots in (1, 2, 3)}


def padding(positions: int) -> dict[int, int]:
    return {PADDING: positions} if positions else {}


@small
@given(ways=st.integers(1, 12), extra=st.integers(0, 30), seed=st.integers(0, 99))
def test_stream_deals_steps_evenly_and_shows_every_class(store: ClassStore, ways: int, extra: int, seed: int) -> None:
    steps = min(ways + extra, 12 * ways)
    (plan,) = draws(store, OnlineStream(ways, steps), 1, seed)
    assert len(plan.items) == len(set(plan.items.tolist())) == steps
    counts = np.bincount(plan.labels)
    assert len(counts) == plan.n_classes == ways
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 1
    assert_labels_number_the_classes(store, plan)


def test_streams_of_a_range_of_ways_have_one_length(store: ClassStore) -> None:
    plans = draws(store, OnlineStream(ways=[2, 5], steps=20), 100)
    assert {plan.n_classes for plan in plans} == {2, 3, 4, 5}
    assert {plan.labels.shape for plan in plans} == {(20,)}
    assert all((plan.labels != PADDING).all() for plan in plans)


def test_groups_too_small_are_passed_over(make_store: MakeStore) -> None:
    """Three classes in group 0, two in each of the others: only one group has three."""
    store = make_store(classes=7, groups=3)
    for protocol in (NWayKShot(3, 1, 1, within_group=True), OnlineStream(3, 6, within_group=True)):
        for plan in draws(store, protocol, 20):
            assert {store.groups[number] for number in class_of(store, plan.items)} == {"group0"}


PROTOCOLS = {"nway": NWayKShot(4, 2, 1), "stream": OnlineStream(4, 12), "group": NWayKShot(4, 2, 1, within_group=True)}


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_class_numbers_tell_nothing_about_the_class(store: ClassStore, name: str) -> None:
    """Every (class, label) pair is as frequent as any other: chi-square below its 99.9 % point."""
    table = np.zeros((store.n_classes, 4))
    for plan in draws(store, PROTOCOLS[name], 1500):
        _, first = np.unique(plan.labels, return_index=True)
        table[class_of(store, plan.items[first]), np.arange(4)] += 1
    expected = table.sum(1, keepdims=True) / 4
    chi_square = ((table - expected) ** 2 / expected).sum()
    assert chi_square < 67.99  # of 36 degrees of freedom: (12 classes) x (4 labels - 1)
    assert table.sum() == 1500 * 4


@pytest.mark.parametrize("steps", [12, 14, 15])
def test_the_label_of_the_first_item_cannot_be_guessed(store: ClassStore, steps: int) -> None:
    """Also where the steps do not divide evenly: which classes get one more must not follow from their numbers."""
    plans = draws(store, OnlineStream(4, steps), 3000)
    first = np.bincount([plan.labels[0] for plan in plans], minlength=4)
    assert ((first - 750) ** 2 / 750).sum() < 16.27  # 99.9 % of 3 degrees of freedom


@pytest.mark.parametrize(("ways", "steps"), [(2, 3), (4, 15), (4, 16)])
def test_no_rule_for_first_instances_beats_the_ceiling(store: ClassStore, ways: int, steps: int) -> None:
    """A learner may guess by class number, such as the lowest unused one: that must be right in H_C / C at most."""
    right = []
    for plan in draws(store, OnlineStream(ways, steps), 4000):
        unused = set(range(ways))
        for label in plan.labels.tolist():
            if label in unused:
                right.append(label == min(unused))
                unused.remove(label)
    assert np.mean(right) == pytest.approx(sum(1 / k for k in range(1, ways + 1)) / ways, abs=0.015)


@pytest.mark.parametrize("part", ["support", "query", "stream"])
def test_order_is_shuffled(store: ClassStore, part: str) -> None:
    """Two neighbours are of one class as often as any two positions: (K - 1) / (N K - 1)."""
    ways, each = 4, 3
    protocol = OnlineStream(ways, ways * each) if part == "stream" else NWayKShot(ways, each, each)
    plans = draws(store, protocol, 1000)
    start = ways * each if part == "query" else 0
    labels = np.stack([plan.labels[start : start + ways * each] for plan in plans])
    same = float((labels[:, 1:] == labels[:, :-1]).mean())
    assert same == pytest.approx((each - 1) / (ways * each - 1), abs=0.02)  # class-blocked: 0.73
    for position in (0, 5, 11):
        assert np.bincount(labels[:, position], minlength=ways).min() > 190  # of 250 expected


def test_every_item_of_a_class_is_drawn(store: ClassStore) -> None:
    items = np.concatenate([plan.items for plan in draws(store, NWayKShot(4, 2, 1), 500)])
    counts = np.bincount(items, minlength=len(store.items))
    assert counts.min() > 0
    assert counts.max() < 4 * counts.mean()


@pytest.mark.parametrize(
    ("protocol", "numbers"),
    [
        (NWayKShot(ways=13), "13-way episodes need 13 classes, but 'tiny' has 12"),
        (OnlineStream(ways=13, steps=50), "13-way episodes need 13 classes, but 'tiny' has 12"),
        (NWayKShot(ways=[2, 13]), "13-way"),
        (NWayKShot(ways=7, within_group=True), "7 classes, but the largest group of 'tiny' has 6"),
        (OnlineStream(ways=7, within_group=True), "7 classes, but the largest group of 'tiny' has 6"),
        (NWayKShot(ways=5, shots=10, queries=3), " 13 items .*'tiny' has 12"),
        (NWayKShot(ways=5, shots=[1, 10], queries=3), "need 13 items"),
        (NWayKShot(queries=0), r"protocol\.queries=0 must be 1 to"),
        (NWayKShot(ways=0), "ways=0"),
        (NWayKShot(shots=0), "shots=0"),
        (NWayKShot(ways=[5, 2]), r"ways=\[5, 2\]"),
        (NWayKShot(shots=[0, 2]), r"shots=\[0, 2\]"),
        (NWayKShot(ways=[2, 3, 4]), r"ways=\[2, 3, 4\]"),
        (OnlineStream(ways=[2]), r"ways=\[2\]"),
        (OnlineStream(ways=5, steps=4), "4 steps cannot show 5 classes"),
        (OnlineStream(ways=[2, 5], steps=4), "4 steps cannot show 5 classes"),
        (OnlineStream(ways=4, steps=49), "49 steps over 4 classes .* 13 items .*'tiny' has 12"),
        (OnlineStream(ways=[1, 4], steps=13), "13 steps over 1 classes need 13 items"),
        (NWayKShot(ways=5, codes=LabelCodes(width=4)), "width 4 cannot tell 5 classes"),
        (OnlineStream(ways=[2, 5], steps=20, codes=LabelCodes(width=4)), "width 4 cannot tell 5 classes"),
        (NWayKShot(codes=LabelCodes(kind="gray")), "kind=gray"),  # type: ignore[arg-type]
        (NWayKShot(queries=1, codes=LabelCodes("random", width=-1)), "-1"),
        (NWayKShot(queries=1, codes=LabelCodes("random", width=0)), "0"),
    ],
)
def test_impossible_episodes_are_refused_at_start_with_the_numbers(
    store: ClassStore, protocol: EpisodeProtocol, numbers: str
) -> None:
    with pytest.raises(EpisodeError, match=numbers):
        Sampler(store, protocol)


@pytest.mark.parametrize("ways", [2.5, "5"])
def test_ways_that_are_no_whole_number_are_refused(store: ClassStore, ways: Any) -> None:
    for protocol in (NWayKShot(ways=ways, queries=1), OnlineStream(ways=ways)):
        with pytest.raises(EpisodeError, match="ways"):
            Sampler(store, protocol)


def test_the_largest_possible_episodes_are_dealt(store: ClassStore) -> None:
    for protocol in (NWayKShot(12, 6, 6), NWayKShot(6, 11, 1, within_group=True), OnlineStream(12, 144)):
        (plan,) = draws(store, protocol, 1)
        assert len(set(plan.items.tolist())) == len(plan.items)


def test_classes_of_different_sizes_give_only_their_own_items() -> None:
    images = [torch.zeros(size, 1, 2, 2, dtype=torch.uint8) for size in (3, 9, 4)]
    store = ClassStore.from_classes("uneven", images, list("abc"), list("ggg"))
    for plan in draws(store, NWayKShot(3, 2, 1), 50):
        assert_labels_number_the_classes(store, plan)
    with pytest.raises(EpisodeError, match="need 4 items of each class, but a class of 'uneven' has 3"):
        Sampler(store, NWayKShot(3, 2, 2))


@pytest.mark.parametrize(("classes", "width"), [(5, None), (5, 5), (3, 8)])
def test_random_codes_are_orthonormal_where_the_width_allows(classes: int, width: int | None) -> None:
    codes = LabelCodes("random", width).draw(classes, np.random.default_rng(0))
    assert codes.shape == (classes, width or classes)
    assert codes.dtype == np.float32
    np.testing.assert_allclose(codes @ codes.T, np.eye(classes), atol=1e-6)


def test_random_codes_are_unit_vectors_where_the_width_is_too_small() -> None:
    codes = LabelCodes("random", 3).draw(8, np.random.default_rng(0))
    assert codes.shape == (8, 3)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)
    assert np.abs(codes @ codes.T - np.eye(8)).max() < 0.999


def test_random_codes_are_fresh_and_in_no_direction() -> None:
    rng = np.random.default_rng(0)
    drawn = np.stack([LabelCodes("random", 4).draw(3, rng) for _ in range(2000)])
    assert len({codes.tobytes() for codes in drawn}) == 2000
    assert np.abs(drawn.mean(0)).max() < 0.05  # a QR factorisation alone has one sign
    np.testing.assert_allclose((drawn**2).mean(0), 1 / 4, atol=0.03)


@pytest.mark.parametrize(("classes", "width"), [(4, None), (4, 6)])
def test_one_hot_codes_are_rows_of_the_identity(classes: int, width: int | None) -> None:
    codes = LabelCodes(width=width).draw(classes, np.random.default_rng(0))
    assert codes.tolist() == np.eye(classes, width or classes).tolist()


@pytest.mark.parametrize("ways", [3, [2, 4], (2, 4)])
def test_descriptions_are_plain_and_tell_settings_apart(ways: int | Sequence[int]) -> None:
    for cls in (NWayKShot, OnlineStream):
        described = cls(ways=ways).describe()
        assert described["ways"] == (ways if isinstance(ways, int) else [2, 4])
        assert described != cls(ways=5).describe()
        assert described != cls(ways=ways, within_group=True).describe()
        assert described != cls(ways=ways, codes=LabelCodes("random")).describe()
