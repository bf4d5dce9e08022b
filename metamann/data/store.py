"""Labelled items held in memory: the classes of a data set and its three splits."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from metamann.errors import DataError, excerpt

UPRIGHT = re.compile("(?:[^@]|@@)*")  # everything before the first single @


@dataclasses.dataclass(frozen=True)
class ClassStore:
    """Items of many classes in one tensor, sorted by class.

    Attributes:
        name: in errors and reports, such as `omniglot/vinyals/test`.
        items: images, `items x channels x height x width`, uint8, 0 for paper and 255 for ink; or rows of features,
            `items x width`, float32; or items of any other shape.
        class_names: one name for each class; the name of a rotated copy ends in `@90`, `@180` or `@270`, that of a
            mirrored copy in `@mirrored`. An `@` of the name itself is doubled, see `escape_marks`.
        groups: one name for each class: its alphabet, or parent folder. Episodes may stay within one group.
        first_item: `classes + 1` offsets; class c owns `items[first_item[c]:first_item[c + 1]]`.
        turnable: whether a rotated or mirrored item counts as the same item, as for drawings; only images can be
            rotated.

    Examples:
        >>> images = torch.zeros(2, 3, 1, 28, 28, dtype=torch.uint8)  # 2 classes of 3 images
        >>> store = ClassStore.from_classes("letters", list(images), ["greek/alpha", "greek/beta"], ["greek", "greek"])
        >>> store.with_rotations().n_classes
        8
    """

    name: str
    items: Tensor
    class_names: tuple[str, ...]
    groups: tuple[str, ...]
    first_item: np.ndarray
    turnable: bool = True

    @classmethod
    def from_classes(
        cls,
        name: str,
        items: Sequence[Tensor],
        class_names: Sequence[str],
        groups: Sequence[str],
        turnable: bool = True,
    ) -> ClassStore:
        """A store of the items of each class, `items x ...`.

        Raises:
            DataError: if there is no class at all.
        """
        if not items:
            raise DataError(f"data set '{name}' has no classes; give it some, or choose another split.")
        first_item = np.concatenate([[0], np.cumsum(list(map(len, items)))]).astype(np.int64)
        return cls(name, torch.cat(list(items)), tuple(class_names), tuple(groups), first_item, turnable)

    @property
    def n_classes(self) -> int:
        """Number of classes, rotated copies included."""
        return len(self.class_names)

    @cached_property
    def class_sizes(self) -> np.ndarray:
        """Items of each class, `classes`."""
        return np.diff(self.first_item)

    @cached_property
    def classes_by_group(self) -> dict[str, np.ndarray]:
        """Class numbers of every group, by group name."""
        members: dict[str, list[int]] = {}
        for number, group in enumerate(self.groups):
            members.setdefault(group, []).append(number)
        return {group: np.array(numbers, dtype=np.int64) for group, numbers in members.items()}

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over items, class borders, class names and groups: the same data give the same episodes."""
        digest = hashlib.sha256()
        digest.update(repr((tuple(self.items.shape), self.class_names, self.groups)).encode())
        digest.update(self.first_item.tobytes())
        digest.update(self.items.numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def row_of(self) -> dict[bytes, int]:
        """The first row of `items` that holds an item, by the item's `pixels_digest`."""
        rows: dict[bytes, int] = {}
        for row, item in enumerate(self.items):
            rows.setdefault(pixels_digest(item), row)
        return rows

    def class_of(self, row: int) -> int:
        """Number of the class that owns a row of `items`."""
        return int(np.searchsorted(self.first_item, row, side="right")) - 1

    def images_of(self, number: int) -> Tensor:
        """Items of one class, `items x ...`."""
        return self.items[int(self.first_item[number]) : int(self.first_item[number + 1])]

    def looks_of(self, row: int) -> list[Tensor]:
        """All forms of a row of `items` that count as the same item: an image rotated and mirrored, others as is."""
        return looks(self.items[row]) if self.turnable else [self.items[row]]

    def subset(self, name: str, numbers: Sequence[int]) -> ClassStore:
        """The classes of these numbers as a store of their own."""
        return ClassStore.from_classes(
            name,
            [self.images_of(number) for number in numbers],
            [self.class_names[number] for number in numbers],
            [self.groups[number] for number in numbers],
            self.turnable,
        )

    def with_rotations(self) -> ClassStore:
        """Four times the classes: every rotation by 90 degrees is a class, and its alphabet a group, of its own.

        Raises:
            DataError: if the items are no images.
        """
        self._check_turnable()
        images, class_names, groups = [], [], []
        for quarter_turns in range(4):
            suffix = f"@{90 * quarter_turns}" if quarter_turns else ""
            for number in range(self.n_classes):
                images.append(torch.rot90(self.images_of(number), quarter_turns, (2, 3)))
                class_names.append(self.class_names[number] + suffix)
                groups.append(self.groups[number] + suffix)
        return ClassStore.from_classes(self.name, images, class_names, groups)

    def with_mirrors(self) -> ClassStore:
        """Twice the classes: every mirrored copy is a class, and its alphabet a group, of its own.

        Raises:
            DataError: if the items are no images.
        """
        self._check_turnable()
        numbers = range(self.n_classes)
        return ClassStore.from_classes(
            self.name,
            [self.images_of(number) for number in numbers] + [self.images_of(number).flip(3) for number in numbers],
            [*self.class_names, *(f"{name}@mirrored" for name in self.class_names)],
            [*self.groups, *(f"{group}@mirrored" for group in self.groups)],
        )

    def _check_turnable(self) -> None:
        if not self.turnable:
            raise DataError(f"items of '{self.name}' are no images; leave rotations and mirrors out.")


def looks(image: Tensor) -> list[Tensor]:
    """The eight ways to rotate and mirror an image, `channels x height x width`."""
    sides = (image, image.flip(-1))
    return [torch.rot90(side, turns, (-2, -1)) for side, turns in itertools.product(sides, range(4))]


def pixels_digest(item: Tensor) -> bytes:
    """Short hash of the pixels of an image, or the numbers of another item: equal for equal items of one shape."""
    return hashlib.blake2b(item.contiguous().numpy().tobytes(), digest_size=12).digest()


@dataclasses.dataclass(frozen=True)
class DataSplits:
    """The three splits of a data set; their classes are disjoint, rotated copies included.

    Attributes:
        name: the data set and how it was split, such as `omniglot/vinyals`.
        train: classes for meta-training.
        val: classes for every choice: checkpoints, hyper-parameters.
        test: classes for reported results.
        disjoint_groups: no group of classes, such as an alphabet, is in two splits; false for a split by class.
        notes: observations and decisions of the reader, one line for each.
        audited: names of the checks of an audit.
        own: the items are a user's own: a class with too few items for a protocol is left out of its episodes.

    Raises:
        DataError: if a class, or a rotated copy of it, is in two splits.

    Examples:
        >>> letter = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
        >>> train, val, test = (ClassStore.from_classes(name, [letter], [name], ["letters"]) for name in "abc")
        >>> DataSplits("letters", train, val, test).split("val").class_names
        ('b',)
    """

    audited: ClassVar[tuple[str, ...]] = ("classes", "drawings", "alphabets")

    name: str
    train: ClassStore
    val: ClassStore
    test: ClassStore
    disjoint_groups: bool = True
    notes: tuple[str, ...] = ()
    own: bool = False

    def __post_init__(self) -> None:
        """Check that the splits are disjoint."""
        for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
            shared = upright_names(self.split(first)) & upright_names(self.split(second))
            if shared:
                raise DataError(
                    f"splits '{first}' and '{second}' of '{self.name}' share {len(shared)} classes, such as "
                    f"'{excerpt(plain_name(min(shared)))}'. Give every class, with its rotated copies, to one split."
                )

    def split(self, name: str) -> ClassStore:
        """The split of this name.

        Raises:
            DataError: if there is none.
        """
        if name not in ("train", "val", "test"):
            raise DataError(f"there is no split '{name}'; choose train, val or test.")
        store: ClassStore = getattr(self, name)
        return store


def escape_marks(name: str) -> str:
    """A name with its `@` doubled, as a class name of a store, where a single `@` marks a rotated copy."""
    return name.replace("@", "@@")


def plain_name(class_name: str) -> str:
    """A class name of a store as its user wrote it, followed by the mark of a copy."""
    return class_name.replace("@@", "@")


def upright_name(class_name: str) -> str:
    """The name without the marks of a rotated or mirrored copy."""
    match = UPRIGHT.match(class_name)
    assert match is not None  # the pattern matches the empty string too
    return match[0]


def upright_names(store: ClassStore) -> set[str]:
    """Names of the classes, with the marks of rotated and mirrored copies removed."""
    return set(map(upright_name, store.class_names))
