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

UPRIGHT = re.compile("(?:[^@]|@@)*")  # all before the first single @


@dataclasses.dataclass(frozen=True)
class ClassStore:
    """Items of many classes in one tensor, sorted by class.

    Attributes:
        name: what the errors and reports call it, such as `omniglot/vinyals/test`.
        items: images, `items x channels x height x width`, uint8, 0 for paper and 255 for ink; or rows of features,
            `items x width`, float32; or items of whatever other shape.
        class_names: one name a class; a rotated copy ends in `@90`, `@180` or `@270`, a mirrored one in `@mirrored`. An
            `@` of the name itself is doubled, see `escape_marks`.
        groups: one name a class: its alphabet, or parent folder. Episodes may stay within one.
        first_item: `classes + 1` offsets; class c owns `items[first_item[c]:first_item[c + 1]]`.
        turnable: an item that is turned or mirrored is the same item still, as a drawing is; only images can be turned.
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
        """Put the classes' items, each `items x ...`, behind one another.

        Raises:
            DataError: if there is no class at all.
        """
        if not items:
            raise DataError(f"data set '{name}' has no classes; give it some, or choose another split.")
        first_item = np.concatenate([[0], np.cumsum([len(each) for each in items])]).astype(np.int64)
        return cls(name, torch.cat(list(items)), tuple(class_names), tuple(groups), first_item, turnable)

    @property
    def n_classes(self) -> int:
        """Number of classes, rotated copies counted."""
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
        """The first row of `items` that holds an item, by `pixels_digest` of the item."""
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
        """A row of `items` in all the ways in which it is the same item: an image turned and mirrored, others as is."""
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
    """An image, `channels x height x width`, in all eight ways to turn and mirror it."""
    sides = (image, image.flip(-1))
    return [torch.rot90(side, turns, (-2, -1)) for side, turns in itertools.product(sides, range(4))]


def pixels_digest(item: Tensor) -> bytes:
    """Short hash of an image's pixels, or of any other item's numbers: equal for equal items of one shape."""
    return hashlib.blake2b(item.contiguous().numpy().tobytes(), digest_size=12).digest()


@dataclasses.dataclass(frozen=True)
class DataSplits:
    """The three splits of a data set; their classes are disjoint, rotated copies included.

    Attributes:
        name: the data set and how it was split, such as `omniglot/vinyals`.
        train: classes for meta-training.
        val: classes for every choice: checkpoints, hyper-parameters.
        test: classes for the figures that are reported.
        disjoint_groups: no group of classes, such as an alphabet, stands in two splits; false for a split by class.
        notes: what the reader found and decided, one line each.
        audited: what an audit looks at.
        own: a user's own items: a class that has too few of them for a protocol is left out of its episodes.

    Raises:
        DataError: if a class, or a rotated copy of it, stands in two splits.
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
        """Refuse overlapping splits at start, before anything is trained on them."""
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
    """A name in which `@` may stand, as a class name of a store, where a single `@` marks a rotated copy."""
    return name.replace("@", "@@")


def plain_name(class_name: str) -> str:
    """A class name of a store as its user wrote it, the mark of a copy behind it."""
    return class_name.replace("@@", "@")


def upright_name(class_name: str) -> str:
    """The name without the marks of a rotated or mirrored copy."""
    found = UPRIGHT.match(class_name)
    assert found is not None  # it matches nothing at all, too
    return found[0]


def upright_names(store: ClassStore) -> set[str]:
    """Names of the classes, a rotated or mirrored copy by the name of what it was made from."""
    return set(map(upright_name, store.class_names))
