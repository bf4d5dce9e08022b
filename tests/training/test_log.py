"""What is said: on standard error for people, in train.log of the run that said it, and in logging for programs."""

from __future__ import annotations

import io
import logging
import sys
import threading
from pathlib import Path

import pytest
from tqdm import tqdm

from metamann.errors import TrainingError
from metamann.training.log import LOG, console, note, notes_once, progress, run_log


def said(directory: Path) -> list[str]:
    """Lines of `train.log` without their times."""
    lines = (directory / "train.log").read_text().splitlines()
    assert all(line[:4].isdigit() and line[19:21] == "  " for line in lines)
    return [line[21:] for line in lines]


def test_a_console_shows_plain_lines_on_standard_error_and_marks_notes(capsys: pytest.CaptureFixture[str]) -> None:
    with console():
        progress("step 1 of 2")
        note("a class was left out: \x1b[31m")
    assert capsys.readouterr() == ("", "step 1 of 2\nnote: a class was left out: \\x1b[31m\n")


def test_a_console_inside_a_console_adds_nothing_and_takes_nothing_away(capsys: pytest.CaptureFixture[str]) -> None:
    with console():
        with console():
            progress("first")
        progress("second")
    assert capsys.readouterr().err == "first\nsecond\n"


def test_logging_is_left_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (LOG.level, LOG.propagate, list(LOG.handlers))
    with console(), run_log(tmp_path), run_log(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), run_log(tmp_path), console():
        raise ZeroDivisionError
    assert (LOG.level, LOG.propagate, list(LOG.handlers)) == before
    progress("nobody asked for it")
    assert capsys.readouterr().err == ""


def test_a_program_sees_what_is_said_as_records_of_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "metamann"):
        progress("step 1 of 2")
        note("a class was left out")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "step 1 of 2"), ("WARNING", "a class was left out"),
    ]  # fmt: skip


def test_the_log_of_a_run_holds_what_was_said_and_goes_on_after_a_resume(tmp_path: Path) -> None:
    progress("before")
    with run_log(tmp_path):
        progress("step 1 of 2", on_bar=True)
        note("a class was left out")
    progress("between")
    with run_log(tmp_path):
        progress("step 2 of 2")
    assert said(tmp_path) == ["step 1 of 2", "note: a class was left out", "step 2 of 2"]


def test_runs_of_two_threads_have_a_log_each(tmp_path: Path) -> None:
    together = threading.Barrier(2)

    def work(name: str) -> None:
        directory = tmp_path / name
        directory.mkdir()
        with run_log(directory):
            for step in range(20):
                together.wait()
                progress(f"{name} {step}")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "two"):
        assert said(tmp_path / name) == [f"{name} {step}" for step in range(20)]


@pytest.mark.parametrize("kind", ["link", "folder", "nowhere"])
def test_a_log_that_cannot_be_written_is_refused(kind: str, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    if kind != "nowhere":
        directory.mkdir()
    if kind == "link":
        (directory / "train.log").symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        (directory / "train.log").mkdir()
    with pytest.raises(TrainingError, match=r"train\.log"), run_log(directory):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_notes_of_several_runs_are_said_once_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with console():
        for _ in range(2):
            with notes_once():
                note("of the data")
                note("of the data")
        note("of the data")
        note("of the data")
    assert capsys.readouterr().err == "note: of the data\n" * 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_full_ends_the_log_and_not_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with console(), run_log(tmp_path):
        (handler,) = (each for each in LOG.handlers if isinstance(each, logging.FileHandler))
        handler.setStream(Path("/dev/full").open("w"))  # noqa: SIM115  # closed by the handler
        progress("first")
        progress("second")
    shown = capsys.readouterr().err.splitlines()
    assert sorted(line[:6] for line in shown) == ["first", "note: ", "second"]
    assert "train.log cannot be written any more" in "".join(shown)


class Terminal(io.StringIO):
    """A terminal of the simplest kind."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_lines_stand_above_a_progress_bar_which_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with console(), tqdm(total=2, file=terminal, ncols=40, mininterval=0) as bar:
        bar.update()
        note("above")
        progress("shown by the bar", on_bar=True)
    lines = [line.rsplit("\r", 1)[-1] for line in terminal.getvalue().splitlines()]
    assert "note: above" in lines
    assert "shown by the bar" not in terminal.getvalue()
