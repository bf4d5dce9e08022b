"""The line of every error that a user can cause: true, short, and with what to do."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from commandline import Ended, run
from messages import names

from metamann.application.setting_errors import in_shell
from metamann.commands.messages import message_of
from metamann.errors import LONGEST_MESSAGE, ConfigError

NOBODY = 65534


def message(act: Callable[[], object]) -> str:
    """What is said of the error that this raises."""
    with pytest.raises((OSError, ValueError)) as raised:
        act()
    return str(message_of(raised.value))


def loop(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for act in (
        lambda: (tmp_path / "file" / "x" / "y").mkdir(parents=True),
        lambda: (tmp_path / "file" / "x").read_text(),
    ):
        assert names(message(act), f"{tmp_path}/file/x", "file on the way", "is a file", "another path")
    assert names(message((tmp_path / "file").mkdir), f"{tmp_path}/file ", "cannot be made", "is a file", "another path")


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    for act in (tmp_path.read_text, lambda: tmp_path.write_text("")):
        assert names(message(act), f"{tmp_path} ", "is a folder", "another path")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    long = tmp_path / ("n" * 300)
    for act in (long.mkdir, long.read_text, lambda: long.write_text("")):
        said = message(act)
        assert names(said, "too long", "300 bytes", "at most 255", "shorten")
        assert len(said) <= LONGEST_MESSAGE
    assert "as a whole" in message(Path("/" + "ab/" * 3000).mkdir)


def test_links_in_a_circle(tmp_path: Path) -> None:
    assert "leads round in a circle of links" in message(loop(tmp_path).read_text)


def test_what_was_to_be_done_is_said(tmp_path: Path) -> None:
    absent = tmp_path / "no" / "file"
    assert "cannot be read (No such file or directory)" in message(absent.read_text)
    assert "cannot be written (No such file or directory)" in message(lambda: absent.write_text(""))
    assert "cannot be made (No such file or directory)" in message(absent.mkdir)
    assert "cannot be made (No such file or directory)" in message(lambda: tempfile.mkdtemp(dir=absent))
    assert "cannot be read (No such file or directory)" in message(lambda: list(absent.iterdir()))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_room_is_asked_for_where_there_is_none_and_only_there(number: int, tmp_path: Path) -> None:
    full = OSError(number, os.strerror(number), str(tmp_path))
    assert names(
        str(message_of(full)), f"{tmp_path} ", "cannot be written", os.strerror(number), "make room", "another place"
    )
    forbidden = OSError(errno.EACCES, "Permission denied", str(tmp_path))
    assert "make room" not in str(message_of(forbidden))


@pytest.mark.parametrize("number", [each for each in errno.errorcode if each not in (errno.ENOSPC,)])
def test_every_error_of_the_system_is_one_line(number: int) -> None:
    for error in (
        OSError(number, os.strerror(number), "/x" * 400),
        OSError(number, os.strerror(number)),
        OSError("odd"),
    ):
        said = message_of(error)
        assert said is not None
        assert "\n" not in said
        assert len(said) <= LONGEST_MESSAGE


def test_a_path_with_a_null_character() -> None:
    assert "NUL character" in message(Path("a\0b").read_text)


def test_memory_that_is_not_there() -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError()):
        assert "not enough memory" in str(message_of(error))


def test_mistakes_of_ours_are_none_of_the_users() -> None:
    for error in (ValueError("a bug"), RuntimeError("a bug"), KeyError("a"), AssertionError()):
        assert message_of(error) is None


def test_the_cause_is_what_is_said() -> None:
    error = RuntimeError("somewhere")
    error.__cause__ = ConfigError("memory.slots=0 must be at least 1.")
    assert message_of(error) == "memory.slots=0 must be at least 1."


def test_a_setting_is_written_as_a_shell_takes_it() -> None:
    assert in_shell("a.b", "x=1") == "'a.b='\\''x=1'\\'''"


@pytest.fixture
def nobody() -> Iterator[None]:
    """Everything is done as a user who owns nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def test_no_right_to_read_write_or_make_is_said_as_it_is(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o444)
    (tmp_path / "secret").write_text("")
    (tmp_path / "secret").chmod(0o000)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    request.getfixturevalue("nobody")
    acts: dict[str, Callable[[], object]] = {
        "made": (tmp_path / "new").mkdir,
        "read": (tmp_path / "secret").read_text,
        "written": lambda: (tmp_path / "file").write_text(""),
    }
    for verb, act in acts.items():
        assert f"cannot be {verb} (Permission denied)" in message(act)
        assert "make room" not in message(act)
    bare: dict[str, Callable[[], object]] = {
        "made": lambda: os.open(tmp_path / "new", os.O_CREAT | os.O_WRONLY),
        "read": lambda: os.open(tmp_path / "secret", os.O_RDONLY),
        "written": lambda: os.open(tmp_path / "file", os.O_WRONLY),
    }
    for verb, act in bare.items():
        assert f"cannot be {verb} (Permission denied)" in message(act)


# of whole commands


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("hydra.run.dir={n}", ("too long", "300 bytes")),
        ("resume={n}", ("too long",)),
        ("data.path={n}", ("too long",)),
        ("encoder_from={n}", ("too long",)),
        ("hydra.run.dir={file}/x", ("file on the way", "is a file")),
        ("memory=nonsense", ("memory=nonsense", "choose additive, delta, dnc, keyvalue")),
        ("experiment=nonsense", ("experiment=nonsense", "repeat_copy, snips_xval, vectors_5way_1shot")),
        ("trainer.stepz=3", (" trainer.stepz;", "use trainer.steps=")),
        ("nonsense=3", (" nonsense;", "choose", " data, protocol")),
        ("memory.controller=lstm", (" memory.controller;", "choose", " key_width")),
        ("trainer.steps", ("trainer.steps ", "NAME=VALUE")),
        ("trainer.steps=a=b", ("trainer.steps=a=b", "a whole number")),
        ("logger.project=a,b", ("comma", "quote", "'logger.project='\\''a,b'\\'''")),
        ("data.path=${{nowhere}}", ("nowhere",)),
        ("memory=null", ("group of settings", "null")),
        ("--config-dir=/nowhere", ("/nowhere",)),
        ("logger.project=\udcff", ("no UTF-8",)),
        ("seed=18446744073709551616", ("seed=18446744073709551616", "at most 18446744073709551615")),
        ("seed=" + "9" * 5000, ("seed=9999",)),
        ("seed=true", ("seed=true", "a whole number")),
        ("seed=1.0", ("seed=1.0", "a whole number")),
        ("validation=3", ("validation=3", "validation.NAME=VALUE")),
        ("validation.episodes=1000000000000", ("validation.episodes=", "at most 1000000")),
        ("logger.wandb=maybe", ("logger.wandb=maybe", "true or false")),
        ("train_protocol=3", ("train_protocol=3", "train_protocol.NAME=VALUE")),
        ("encoder.in_channels=3", ("encoder", "3 x 16 x 16")),
        ("encoder.dropout=true", ("encoder.dropout=true", "a number")),
        ("learner=majority", ("learner=majority", "adapter")),
        (
            "learner=sequence",
            ("learner=sequence", "sequences", "data=folder (images)", "choose learner=mann"),
        ),
        ("data.shares=abc", ("data.shares=abc", "a list", "a number")),
    ],
)
def test_a_mistake_in_training_is_one_short_line(
    argument: str, parts: tuple[str, ...], tiny: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    filled = argument.format(n="n" * 300, file=tmp_path / "file")
    error = run("train", *tiny, filled, cwd=tmp_path / "run").error
    assert names(error, *parts)
    assert len(error) <= len("error: ") + LONGEST_MESSAGE


@pytest.mark.parametrize("command", ["evaluate", "compare", "audit", "continual"])
@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("seed=18446744073709551616", ("seed=18446744073709551616", "at most 18446744073709551615")),
        ("seed=-1", ("seed=-1", "at least 0")),
        ("split=null", ("split=null", "a text")),
        ("trust=torch", ("trust=torch", "a list")),
        ("data.seed=18446744073709551616", ("data.seed=18446744073709551616",)),
        ("protocol=nonsense", ("protocol=nonsense", "choose associative_recall, copy")),
        ("nonsense=3", ("no setting nonsense",)),
    ],
)
def test_a_mistake_in_another_command_is_one_short_line(
    command: str, argument: str, parts: tuple[str, ...], trained: Ended, tmp_path: Path
) -> None:
    where = f"runs=[{trained.run_directory}]" if command == "continual" else f"checkpoint={trained.run_directory}"
    if command == "compare":
        where = f"runs=[{trained.run_directory},{trained.run_directory}:linear_head]"
    ended = run(command, where, argument, cwd=tmp_path)
    assert ended.status == 2, ended.err
    error = ended.err.splitlines()[-1]
    assert names(error, *parts)
    assert len(error) <= len("error: ") + LONGEST_MESSAGE
