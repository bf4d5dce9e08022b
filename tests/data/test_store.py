"""Stores: classes keep their items through subsets and rotations; splits never share a class."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metamann.data.store import ClassStore, DataSplits, escape_marks, pixels_digest, plain_name, upright_names
from metamann.errors import DataError

SIZES = (3, 1, 4)


@pytest.fixture
def uneven() -> ClassStore:
    """Three classes of 3, 1 and 4 images in two groups; every image is of one grey, its number."""
    numbers = np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])
    images = [torch.from_numpy(part).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 3) for part in numbers]
    return ClassStore.from_classes("uneven", images, ["a", "b", "c"], ["x", "y", "x"])


def test_classes_own_their_images(uneven: ClassStore) -> None:
    assert uneven.n_classes == 3
    assert uneven.class_sizes.tolist() == list(SIZES)
    assert uneven.first_item.tolist() == [0, 3, 4, 8]
    assert uneven.items.shape == (8, 1, 2, 3)
    assert [uneven.images_of(number)[:, 0, 0, 0].tolist() for number in range(3)] == [[0, 1, 2], [3], [4, 5, 6, 7]]
    assert {group: numbers.tolist() for group, numbers in uneven.classes_by_group.items()} == {"x": [0, 2], "y": [1]}


def test_a_subset_keeps_images_names_and_groups_together(uneven: ClassStore) -> None:
    subset = uneven.subset("part", [2, 0])
    assert (subset.name, subset.class_names, subset.groups) == ("part", ("c", "a"), ("x", "x"))
    assert torch.equal(subset.images_of(0), uneven.images_of(2))
    assert torch.equal(subset.images_of(1), uneven.images_of(0))


def test_no_class_at_all_is_refused(uneven: ClassStore) -> None:
    with pytest.raises(DataError, match="'part' has no classes"):
        uneven.subset("part", [])


def test_rotations_are_classes_and_groups_of_their_own(make_store: Callable[..., ClassStore]) -> None:
    store = make_store(classes=3, items=2, groups=2, size=5)
    rotated = store.with_rotations()
    assert rotated.n_classes == 12
    assert rotated.class_names[:4] == ("class0", "class1", "class2", "class0@90")
    assert rotated.class_names[-1] == "class2@270"
    assert len(set(rotated.class_names)) == 12
    assert set(rotated.groups) == {f"group{number}{turn}" for number in (0, 1) for turn in ("", "@90", "@180", "@270")}
    for number in range(12):
        turns, upright = divmod(number, 3)
        assert torch.equal(rotated.images_of(number), torch.rot90(store.images_of(upright), turns, (2, 3)))


def test_mirrors_are_classes_and_groups_of_their_own(make_store: Callable[..., ClassStore]) -> None:
    store = make_store(classes=3, items=2, groups=2, size=5)
    mirrored = store.with_mirrors()
    assert mirrored.class_names == (*store.class_names, *(f"class{number}@mirrored" for number in range(3)))
    assert mirrored.groups == (*store.groups, *(f"{group}@mirrored" for group in store.groups))
    for number in range(3):
        assert torch.equal(mirrored.images_of(number), store.images_of(number))
        assert mirrored.images_of(number + 3).tolist() == [
            [[row[::-1] for row in channel] for channel in image] for image in store.images_of(number).tolist()
        ]


def test_rows_are_items_that_cannot_be_turned() -> None:
    rows = torch.arange(12, dtype=torch.float32).view(4, 3)
    store = ClassStore.from_classes("rows", [rows[:1], rows[1:]], ["a", "b"], ["", ""], turnable=False)
    part = store.subset("part", [1])
    assert torch.equal(part.images_of(0), rows[1:])
    assert [look.tolist() for look in part.looks_of(2)] == [[9.0, 10.0, 11.0]]
    assert part.row_of[pixels_digest(rows[2])] == 1
    assert store.fingerprint != part.fingerprint
    for turned in (part.with_rotations, part.with_mirrors):
        with pytest.raises(DataError, match="no images"):
            turned()


def test_an_image_has_eight_looks() -> None:
    image = torch.arange(6, dtype=torch.uint8).view(1, 1, 2, 3)
    looks = {pixels_digest(look) for look in ClassStore.from_classes("one", [image], ["a"], [""]).looks_of(0)}
    assert len(looks) == 8
    assert looks >= {pixels_digest(image[0]), pixels_digest(image[0].flip(-2)), pixels_digest(image[0].mT)}


def test_equal_stores_have_one_fingerprint(make_store: Callable[..., ClassStore]) -> None:
    assert make_store().fingerprint == make_store().fingerprint
    assert make_store().fingerprint == make_store(name="other").fingerprint


def test_the_fingerprint_sees_every_difference(uneven: ClassStore) -> None:
    pixel = uneven.items.clone()
    pixel[-1, 0, 1, 2] ^= 1
    others = [
        uneven,
        dataclasses.replace(uneven, items=pixel),
        dataclasses.replace(uneven, items=uneven.items.reshape(8, 1, 3, 2)),
        dataclasses.replace(uneven, class_names=("a", "b", "d")),
        dataclasses.replace(uneven, groups=("x", "y", "y")),
        dataclasses.replace(uneven, first_item=np.array([0, 2, 4, 8])),
    ]
    assert len({store.fingerprint for store in others}) == len(others)


@given(st.lists(st.text("@_a90"), min_size=1, max_size=5, unique=True))
def test_names_of_users_never_look_like_marks(names: list[str]) -> None:
    image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    store = ClassStore.from_classes("own", [image] * len(names), list(map(escape_marks, names)), [""] * len(names))
    assert upright_names(store) == set(store.class_names)
    assert [plain_name(name) for name in store.class_names] == names
    copies = store.with_rotations().with_mirrors()
    assert len(set(copies.class_names)) == 8 * len(names)
    assert upright_names(copies) == set(store.class_names)


def test_splits_are_found_by_name(uneven: ClassStore) -> None:
    parts = [uneven.subset(name, [number]) for number, name in enumerate(("train", "val", "test"))]
    splits = DataSplits("uneven", *parts)
    assert [splits.split(name) for name in ("train", "val", "test")] == parts
    with pytest.raises(DataError, match="no split 'validation'"):
        splits.split("validation")


@pytest.mark.parametrize("pair", [("train", "val"), ("train", "test"), ("val", "test")])
@pytest.mark.parametrize("rotated", [False, True])
def test_a_class_in_two_splits_is_refused(uneven: ClassStore, pair: tuple[str, str], rotated: bool) -> None:
    parts = {name: uneven.subset(name, [number]) for number, name in enumerate(("train", "val", "test"))}
    twice = parts[pair[0]]
    if rotated:  # another rotation of the same character is the same character
        twice = dataclasses.replace(twice, class_names=(f"{twice.class_names[0]}@180",))
    with pytest.raises(DataError, match=f"'{pair[0]}' and '{pair[1]}'.*share 1 classes, such as"):
        DataSplits("uneven", **{**parts, pair[1]: twice})
