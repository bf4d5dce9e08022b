"""Run the commands as processes of their own, forked from one that has imported them, which saves the imports.

A process can be sabotaged: at the n-th call of one of metamann's functions it is killed, told to stop, or finds the
disk full.
"""

from __future__ import annotations

import functools
import importlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch

PROGRESS = re.compile(r"(step )?\d+/\d+  |[\d,]+ parameters, |note: ")
TIMES = ("seconds", "episodes_per_second")
SECONDS = 120

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["preloaded"])


class Ended(NamedTuple):
    """A command that has ended.

    Attributes:
        status: exit status; minus the number of the signal that killed it.
        out: standard output.
        err: standard error.
    """

    status: int
    out: str
    err: str

    @property
    def run_directory(self) -> Path:
        """The path in the last line of standard output."""
        assert self.status in (0, *(128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))), (
            self.err
        )
        label, _, path = self.out.splitlines()[-1].partition(": ")
        assert label == "run directory"
        return Path(path)

    @property
    def error(self) -> str:
        """The one line of an error that a user caused; progress lines may stand before it."""
        assert self.status == 2, self.err + self.out
        lines = [line for line in self.err.splitlines() if not PROGRESS.match(line)]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]


def start(
    command: str, *arguments: str, cwd: Path, sabotage: Callable[[], None] | None = None, **environment: str
) -> BaseProcess:
    """Start `metamann-COMMAND ARGUMENTS` in a directory."""
    cwd.mkdir(parents=True, exist_ok=True)
    given = {
        "HOME": str(cwd / "home"),
        "METAMANN_CACHE": str(cwd / "cache"),
        "METAMANN_DATA": str(cwd / "data"),
        **environment,
    }
    _start_server()
    process = _forked.Process(target=_main, args=(command, arguments, cwd, given, sabotage))
    process.start()
    return process


def finish(process: BaseProcess, cwd: Path) -> Ended:
    """Wait for the end of a command."""
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"the command did not end in {SECONDS} s")
    return Ended(process.exitcode, (cwd / "stdout").read_text(), (cwd / "stderr").read_text())


def run(
    command: str, *arguments: str, cwd: Path, sabotage: Callable[[], None] | None = None, **environment: str
) -> Ended:
    """Run `metamann-COMMAND ARGUMENTS` in a directory and wait for its end."""
    return finish(start(command, *arguments, cwd=cwd, sabotage=sabotage, **environment), cwd)


class At(NamedTuple):
    """Sabotage: do something as soon as the n-th call of a method has returned.

    Attributes:
        method: such as `metamann.training.record.Record.train`.
        nth: call, from 1.
        act: what happens then.
    """

    method: str
    nth: int
    act: Callable[[], None]

    def __call__(self) -> None:
        """Put it in place."""
        module, owner, name = self.method.rsplit(".", 2)
        cls = getattr(importlib.import_module(module), owner)
        method, calls = getattr(cls, name), 0

        def sabotaged(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            result = method(*args, **kwargs)
            calls += 1
            if calls == self.nth:
                self.act()
            return result

        setattr(cls, name, sabotaged)


def killed() -> None:
    """As by the out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def terminated() -> None:
    """As by a batch system whose time is up."""
    os.kill(os.getpid(), signal.SIGTERM)


def interrupted() -> None:
    """As by Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def hung_up() -> None:
    """As by a terminal that is closed."""
    os.kill(os.getpid(), signal.SIGHUP)


def stands_still(reached: Path, until: Path) -> None:
    """Wait for a file, after making another that says so."""
    reached.touch()
    while not until.exists():
        time.sleep(0.05)


def wait_for(file: Path) -> None:
    """Return when a file is there."""
    deadline = time.monotonic() + SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{file} did not appear in {SECONDS} s")
        time.sleep(0.05)


def deletes(directory: Path) -> None:
    """As by a user who has forgotten that something runs."""
    shutil.rmtree(directory)


def no_file_beyond(size: int) -> None:
    """From now on a file cannot grow beyond this size: the write fails part of the way, as on a full disk.

    Small enough for the file to be tested, large enough for the standard error of the command, a file too.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def metrics(directory: Path) -> list[dict[str, Any]]:
    """Lines of `metrics.jsonl` without what the clock put there."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, optimizer state included, by path."""
    return dict(_flat(torch.load(checkpoint, weights_only=True), ""))


def same_tensors(first: Path, second: Path) -> bool:
    """Whether two checkpoints hold the same tensors, bit for bit."""
    ours, theirs = tensors(first), tensors(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@functools.cache
def _start_server() -> None:
    """Start the process that commands are forked from; it finds `preloaded` by the path of its environment alone."""
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(path)):
        forkserver.ensure_running()


def _flat(node: Any, path: str) -> list[tuple[str, torch.Tensor]]:
    if isinstance(node, torch.Tensor):
        return [(path, node)]
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in children for found in _flat(value, f"{path}/{key}")]


def _main(
    command: str,
    arguments: tuple[str, ...],
    cwd: Path,
    environment: dict[str, str],
    sabotage: Callable[[], None] | None,
) -> None:
    os.chdir(cwd)
    os.environ.update(environment)
    # as at a terminal: where the tests run in the background of a shell, SIGINT is ignored from the start
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644), descriptor)
    sys.argv = [f"metamann-{command}", *arguments]
    if sabotage is not None:
        sabotage()
    importlib.import_module(f"metamann.commands.{command}").main()
