"""`metamann`: every command is listed, and the version says what an issue report needs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from metamann.__main__ import COMMANDS, listing, main, versions

ROOT = Path(__file__).parents[1]


def test_every_installed_command_is_listed() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    scripts = re.findall(r'^(metamann[\w-]*) = "metamann\.\w+.*:main"', settings, re.MULTILINE)
    assert set(scripts) == {"metamann", *COMMANDS}
    assert all(f"  {name} " in listing() for name in COMMANDS)


def test_the_version_says_what_an_issue_report_needs() -> None:
    for part in (version("metamann"), platform.python_version(), version("torch"), platform.system()):
        assert part in versions()


def test_python_m_is_the_same_and_imports_no_torch() -> None:
    code = (
        "import runpy, sys; sys.argv = ['metamann']; runpy.run_module('metamann', run_name='__main__'); "
        "assert 'torch' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, f"{listing()}\n"), ended.stderr


def test_what_it_does_not_take_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["metamann", "train"])
    with pytest.raises(SystemExit) as stopped:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert line.startswith("error: ")
    assert "metamann-train" in line


def test_a_reader_that_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-m", "metamann", "--version"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")
