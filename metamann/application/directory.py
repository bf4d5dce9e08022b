"""The directory that a command writes into: it is locked, and must not hold another run."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from metamann.data.cache import remove_halves, write_atomically
from metamann.errors import CheckpointError, ConfigError, TrainingError, excerpt
from metamann.training.checkpoint import find_checkpoint, has_checkpoint

LOCK = ".metamann.lock"
LONGEST_LOCK = 1000  # characters
RUN_FILES = ("metrics.jsonl", "checkpoints/last.pt", "checkpoints/previous.pt", "checkpoints/best.pt")
CURVES = "plots/training.png"
RESULT_FILES = (
    "results.json", "results.md", "tasks.npz", "counts.npz", "sentences.html", "answers.txt",
    *(f"plots/{name}.png" for name in (
        "episode", "error_rates", "instances", "memory", "sequence", "confusion", "support_size",
    )),
)  # fmt: skip
OTHER_FILES = (
    *(f"comparison.{ending}" for ending in ("md", "csv", "tex", "json")), "audit.md", "audit.json", "continual.md",
    "continual.json", "plots/comparison.png", "plots/forgetting.png", "plots/matrices.png",
)  # fmt: skip
FOLDERS = ("checkpoints", "plots", "tensorboard", "wandb", ".hydra", ".hydra/resumed_*")
SETTINGS = ("config.yaml", "hydra.yaml", "overrides.yaml")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock a directory against other commands; the lock is released when the process ends.

    Incomplete files of a killed process are removed.

    Raises:
        ConfigError: if another command has the lock, or the directory cannot be written.
    """
    _check_own(directory)
    lock = FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"{directory} is in use by {_owner(directory) or 'another command'}; wait for its end, or choose another "
            "hydra.run.dir=."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{directory} cannot be written ({error.strerror or excerpt(error)}); choose another hydra.run.dir=."
        ) from error
    try:
        if _owner(directory) != _this_process():  # file systems without locks get this from the lock itself
            with contextlib.suppress(OSError):
                (directory / LOCK).write_text(f"{os.getpid()}\n{socket.gethostname()}\n")
        _remove_halves(directory)
        yield
    finally:
        lock.release()


def _check_own(directory: Path) -> None:
    """Refuse a directory with links, through which files outside of it would be written and removed.

    Raises:
        ConfigError: with the folder that is a link, or the lock that is no file.
    """
    for name in FOLDERS:
        for folder in directory.glob(name):
            if folder.is_symlink():
                raise ConfigError(
                    f"{folder} is a link, and a command would write and remove files where it leads to; put a folder "
                    "in its place, or choose another hydra.run.dir=."
                )
    lock = directory / LOCK
    if lock.is_symlink() or (lock.exists() and not lock.is_file()):
        raise ConfigError(f"{lock} is no file that a command wrote; remove it, or choose another hydra.run.dir=.")


def check_in_place(directory: Path) -> None:
    """Refuse to write into a directory that was deleted or replaced since it was locked.

    Raises:
        TrainingError: if it was deleted or replaced.
    """
    try:
        owner = _owner(directory) if (directory / LOCK).exists() else ""
    except OSError:
        return  # the next write reports the error
    if owner == "" or owner not in (None, _this_process()):
        raise TrainingError(f"{directory} was deleted or replaced while this command wrote into it; run it again.")


def run_of(resume: str) -> Path:
    """The run directory of `resume=`.

    Raises:
        CheckpointError: if it has no checkpoint to resume, or is a file.
    """
    path = find_checkpoint(resume, "last.pt")
    if Path(resume).expanduser().is_file():
        raise CheckpointError(f"resume={resume} is a file; give the run directory: resume={path.parent.parent}.")
    return path.parent.parent


def check_free(directory: Path) -> None:
    """Refuse a directory that holds a run, complete or not, or the results of another command.

    Raises:
        ConfigError: if it holds one.
    """
    if has_checkpoint(directory) or (directory / "results.json").exists():
        raise ConfigError(
            f"{directory} holds a run already. Go on with it (resume= this directory), replace it (overwrite=true), "
            "or choose another hydra.run.dir=."
        )


def check_no_run(directory: Path) -> None:
    """Refuse a directory for results that holds a run; earlier results of evaluations are replaced.

    Raises:
        ConfigError: if it holds a run.
    """
    if any((directory / name).exists() for name in RUN_FILES):
        raise ConfigError(
            f"{directory} holds a training run, and this command would replace its results; choose another "
            "hydra.run.dir=, such as a new folder inside it."
        )


def remove_results(directory: Path) -> None:
    """Remove the results of an earlier evaluation of any kind; the training curves are not removed."""
    for name in RESULT_FILES:
        (directory / name).unlink(missing_ok=True)


def remove_run(directory: Path) -> None:
    """Remove a run, its results and its event files; other files are not removed."""
    settings = [folder / name for folder in directory.glob(".hydra/resumed_*") for name in SETTINGS]
    events = directory.glob("tensorboard/events.out.tfevents.*")
    remove_results(directory)
    for path in (*(directory / name for name in (*RUN_FILES, CURVES)), *settings, *events):
        path.unlink(missing_ok=True)
    for folder in directory.glob(".hydra/resumed_*"):
        with contextlib.suppress(OSError):  # it holds another file
            folder.rmdir()


def copy_run(run: Path, directory: Path) -> None:
    """Copy the files of a run that it is resumed from; the run may be in progress."""
    for name in ("checkpoints/last.pt", "checkpoints/best.pt", "metrics.jsonl"):
        if (run / name).is_file():
            write_atomically(directory / name, (run / name).read_bytes())


def save_settings(directory: Path, settings: Mapping[str, Any], files: Mapping[str, str], folder: str) -> None:
    """Write the settings of a command into its directory.

    Args:
        directory: directory of the run or of the results.
        settings: plain data.
        files: further files of a command, by name.
        folder: folder inside of the directory.
    """
    contents = {SETTINGS[0]: yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True), **files}
    for name, text in contents.items():
        write_atomically(directory / folder / name, text.encode())


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _owner(directory: Path) -> str | None:
    """The process that wrote the lock; None if the lock does not name it."""
    with (directory / LOCK).open(errors="replace") as file:
        lines = file.read(LONGEST_LOCK).splitlines()
    return f"process {lines[0]} on {excerpt(lines[1])}" if len(lines) > 1 and lines[0].isdigit() else None


def _remove_halves(directory: Path) -> None:
    names = {Path(name).name for name in (*RUN_FILES, CURVES, *RESULT_FILES, *OTHER_FILES, *SETTINGS)}
    for folder in (directory, directory / "checkpoints", directory / "plots", directory / ".hydra"):
        remove_halves(folder, "|".join(re.escape(name) for name in names))
