"""Notes on a user's folder of images: its content, what was left out, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from metamann.data.images.folders import ClassFolder, FolderContents, OwnSplits
from metamann.data.images.reader import ReadImages
from metamann.errors import excerpt, excerpts, shorten


def image_notes(
    root: Path,
    contents: FolderContents,
    read: ReadImages,
    folders: Sequence[ClassFolder],
    own: OwnSplits | None,
    parts: Mapping[str, Collection[int]],
    max_pixels: float,
) -> tuple[str, ...]:
    """The notes of `DataSplits`.

    Args:
        root: the user's folder.
        contents: of this folder.
        read: the images of `folders`.
        folders: that are classes.
        own: the splits that the folder contains.
        parts: numbers of the classes of each split.
        max_pixels: that an image may have.
    """
    sizes = [len(images) for images in read.images]
    class_counts = ", ".join(f"{part} {len(numbers)}" for part, numbers in parts.items())
    classes, images = _count(sum(map(bool, sizes)), "class", "classes"), _count(sum(sizes), "image")
    notes = [f"{excerpt(root)}: {classes}, {images}; classes of {class_counts}"]
    loose = list(contents.loose)
    beside = []
    if own is not None:
        notes.append(f"the folder is split already: {', '.join(map(excerpt, own.part_of))}; data.shares is not used")
        beside = ["/".join(folder.parts) for folder in contents.classes if not own.part(folder)]
        unsorted = [folder for folder in contents.classes if own.part(folder) and not own.inner(folder)]
        loose += ["/".join((*folder.parts, file.name)) for folder in unsorted for file in folder.files]
    unread = ["/".join(folder.parts) for folder, size in zip(folders, sizes, strict=True) if not size]
    for names, what, why in (
        (beside, "folder", "beside the splits, left out"),
        (sorted([*unread, *contents.empty]), "folder", "without an image that can be read, left out"),
        (loose, "image", "in no class folder, left out"),
        (contents.hidden, "hidden or system name", "skipped"),
        (contents.links, "link", "to nothing, or to a folder that is read without it, passed over"),
        (contents.closed, "folder", "that cannot be opened, left out"),
    ):
        if names:
            notes.append(f"{_count(len(names), what)} {why}: {excerpts(names)}")
    for left_out, why in (
        (read.unreadable, "that cannot be read"),
        (read.too_large, f"of over {max_pixels:,.0f} pixels"),
    ):
        if left_out:
            name, reason = left_out[0]
            notes.append(f"{_count(len(left_out), 'image')} {why}, left out, the first: {excerpt(name)} ({reason})")
    if contents.others:
        by_number = contents.others.most_common()
        kinds = ", ".join(f"{number:,} {excerpt(kind) or 'without suffix'}" for kind, number in by_number)
        notes.append(f"{_count(contents.others.total(), 'file')} of other kinds not read: {shorten(kinds, 200)}")
    if read.several:
        notes.append(f"{_count(read.several, 'file')} animated or of several pages: the first picture is taken")
    for depth, deep in read.deep.items():
        low, high = deep.range
        notes.append(f"{_count(len(deep.places), 'image')} of {depth}: {low:,g} is shown black, {high:,g} white")
    if read.plain:
        notes.append(f"{_count(read.plain, 'image')} of one shade all over")
    return tuple(notes)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
