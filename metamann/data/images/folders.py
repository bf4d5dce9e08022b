"""The folders of a user's own images: the classes, their files, and what is ignored."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter, deque
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from metamann.data.images.files import SUFFIXES
from metamann.data.sentences.store import PARTS
from metamann.errors import DataError, excerpt

# lower case; what systems and archivers put beside the files of a user, besides names that start with a full stop
SYSTEM_NAMES = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin", "icon\r",
    "system volume information", "lost+found", "__pycache__",
}  # fmt: skip
PART_OF = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
ADDED = re.compile(r"[ _-]?(set|images?|data)$")  # to the name of a part, as in training_set


class ClassFolder(NamedTuple):
    """A folder that holds image files.

    Attributes:
        parts: names of the folders from the user's folder to it.
        files: with the suffix of an image, sorted.
    """

    parts: tuple[str, ...]
    files: tuple[Path, ...]


class OwnSplits(NamedTuple):
    """Folders that are splits.

    Attributes:
        level: how many folders lead to them.
        part_of: `train`, `val` or `test` by the name of the folder.
    """

    level: int
    part_of: dict[str, str]

    def part(self, folder: ClassFolder) -> str | None:
        """The split of a class; None of a folder beside the splits."""
        return self.part_of.get(folder.parts[self.level])

    def inner(self, folder: ClassFolder) -> tuple[str, ...]:
        """Names of the folders from a split to a class; none for a split that holds images itself."""
        return folder.parts[self.level + 1 :]


@dataclasses.dataclass
class FolderContents:
    """The files and folders below a user's folder; names are relative to it.

    Attributes:
        classes: folders that hold image files, sorted.
        loose: image files in the folder itself.
        empty: folders that hold neither image files nor folders.
        hidden: files and folders of systems and programs.
        closed: folders that cannot be opened.
        links: that are broken, or point to a folder that is read without them.
        others: number of other files, by suffix.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     (Path(root) / "alpha").mkdir()
        ...     (Path(root) / "alpha" / "1.png").touch()
        ...     print([folder.parts for folder in find_class_folders(Path(root)).classes])
        [('alpha',)]
    """

    classes: list[ClassFolder] = dataclasses.field(default_factory=list)
    loose: list[str] = dataclasses.field(default_factory=list)
    empty: list[str] = dataclasses.field(default_factory=list)
    hidden: list[str] = dataclasses.field(default_factory=list)
    closed: list[str] = dataclasses.field(default_factory=list)
    links: list[str] = dataclasses.field(default_factory=list)
    others: Counter[str] = dataclasses.field(default_factory=Counter)


def find_class_folders(root: Path) -> FolderContents:
    """Search a folder and all folders below it; links are followed, and no folder is read twice.

    Raises:
        DataError: if the folder cannot be opened.
    """
    contents = FolderContents()
    # a link to a folder that contains this one would be a cycle
    seen = set(map(_identity, root.resolve().parents)) - {None}
    pending = deque([root])  # folders in front, links behind: a folder is read under its own name
    while pending:
        folder = pending.popleft()
        name = folder.relative_to(root).as_posix()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                reason = error.strerror or error
                raise DataError(f"data.path={excerpt(root)} cannot be opened ({reason}); choose another.") from error
            contents.closed.append(name)
            continue
        identity = _identity(folder)
        if identity in seen:
            contents.links.append(name)
            continue
        seen.add(identity)
        _look_into(folder, entries, root, contents, pending)
    for names in (contents.classes, contents.loose, contents.empty, contents.hidden, contents.closed, contents.links):
        names.sort()
    return contents


def own_splits(contents: FolderContents) -> OwnSplits | None:
    """The splits that a user's folder contains; None unless two folders of one level have names of splits.

    They are on the first level with more than one folder. A single folder of such a name may be a class, and so may
    folders that all hold nothing but images.

    Raises:
        DataError: if two folders are one split.
    """
    leading = zip(*(folder.parts[:-1] for folder in contents.classes), strict=False)
    level = len(list(takewhile(lambda names: len(set(names)) == 1, leading)))
    names = sorted({folder.parts[level] for folder in contents.classes})
    part_of = {name: part for name in names if (part := PART_OF.get(ADDED.sub("", name.lower()))) is not None}
    if len(set(part_of.values())) < 2 or all(len(folder.parts) == level + 1 for folder in contents.classes):
        return None
    for part, count in Counter(part_of.values()).items():
        if count > 1:
            same = " and ".join(excerpt(name) for name, of in part_of.items() if of == part)
            raise DataError(f"the folders {same} below data.path are both read as '{part}'; rename or join them.")
    return OwnSplits(level, dict(sorted(part_of.items(), key=lambda item: PARTS.index(item[1]))))


def _look_into(
    folder: Path, entries: list[os.DirEntry[str]], root: Path, contents: FolderContents, pending: deque[Path]
) -> None:
    images, folders = [], 0
    for entry in entries:
        path = folder / entry.name
        name = path.relative_to(root).as_posix()
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_NAMES:
            contents.hidden.append(name)
        elif entry.is_symlink() and _identity(path) is None:
            contents.links.append(name)
        elif entry.is_dir():
            folders += 1
            (pending.append if entry.is_symlink() else pending.appendleft)(path)
        elif entry.is_file() and path.suffix.lower() in SUFFIXES:
            images.append(path)
        else:
            contents.others[path.suffix.lower()] += 1
    if folder == root:
        contents.loose += [path.name for path in images]
    elif images:
        contents.classes.append(ClassFolder(folder.relative_to(root).parts, tuple(images)))
    elif not folders:
        contents.empty.append(folder.relative_to(root).as_posix())


def _identity(path: Path) -> tuple[int, int] | None:
    """The identity of a file or folder, the same for all links to it; None if it is unknown, as for a broken link."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
