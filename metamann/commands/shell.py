"""How every command starts and ends: Hydra in front, typed settings handed on, one line for an error."""

from __future__ import annotations

import io
import logging
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from metamann.application.caller import Caller
from metamann.application.choices import choices
from metamann.application.compose import register
from metamann.application.directory import run_of
from metamann.commands.messages import message_of
from metamann.commands.overrides import readable
from metamann.commands.stop import shield, stop_signals
from metamann.errors import LONGEST_MESSAGE, ConfigError, excerpt, shorten
from metamann.training.checkpoint import has_checkpoint
from metamann.training.log import console
from metamann.training.loop import Interrupted

Command = Callable[[Any, Path, Caller], float]


class Failure(float):
    """NaN, of a job of a sweep that ended in an error.

    Attributes:
        reason: the line of the error.

    Examples:
        >>> Failure("seed=-1 is out of range.").reason
        'seed=-1 is out of range.'
    """

    reason: str

    def __new__(cls, reason: str) -> Failure:
        """NaN with a reason."""
        failure = super().__new__(cls, "nan")
        failure.reason = reason
        return failure


def run_command(name: str, command: Command, open_groups: tuple[str, ...]) -> None:
    """Run a command; an error that a user can cause is one line on standard error and exit status 2.

    Args:
        name: of its configuration in conf/, whose typed settings `register` has.
        command: takes the settings, the run directory, and how it was called; gives the score for sweepers.
        open_groups: nodes whose keys Hydra cannot know yet; the command checks them itself.
    """
    register()
    _register_resolvers()
    line = shlex.join([f"metamann-{name}", *sys.argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # as standard error does: a name that the terminal lacks characters for stops nothing
        sys.stdout.reconfigure(errors="backslashreplace")
    # makes Hydra raise its errors instead of printing them in its own way
    os.environ["HYDRA_FULL_ERROR"] = "1"

    def job(config: DictConfig) -> float:
        return _job(config, command, line)

    try:
        _check_encoding(sys.argv[1:])
        key_of_open_group = rf"^({'|'.join(open_groups)})(?=\.|=\{{)"
        sys.argv[1:] = [re.sub(key_of_open_group, r"++\1", argument) for argument in readable(sys.argv[1:])]
        hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name=name)(job)()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr, flush=True)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        stop(error)


def _job(config: DictConfig, command: Command, line: str) -> float:
    """One run: its settings become objects, a DictConfig goes no further.

    A single job ends with its one line before Hydra adds its own. A job of a sweep that fails returns a `Failure`, so
    that the others go on, and `SweepTable` ends the sweep with exit status 2.
    """
    directory = Path(HydraConfig.get().runtime.output_dir).resolve()
    try:
        with stop_signals(), console(), _results():
            files = {
                "hydra.yaml": OmegaConf.to_yaml({"hydra": HydraConfig.get()}),
                "overrides.yaml": OmegaConf.to_yaml(HydraConfig.get().overrides.task),
            }
            score = command(OmegaConf.to_object(config), directory, Caller(line, files, None, shield))
            print_run_directory(directory)
            return score
    except Interrupted as stopped:
        _end_stopped(stopped, directory)
    except Exception as error:
        if HydraConfig.get().mode != RunMode.MULTIRUN:
            stop(error)
        message = message_of(error)
        if message is None:
            traceback.print_exc()  # of a mistake of ours, that the other jobs need not share
        reason = shorten(message or repr(error), LONGEST_MESSAGE)
        print(f"error: {reason}", file=sys.stderr, flush=True)
        return Failure(reason)


class _results(logging.Handler):  # noqa: N801  # a context manager
    """Tables of results on standard output."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), flush=True)

    def __enter__(self) -> None:
        logging.getLogger("metamann.results").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("metamann.results").removeHandler(self)


def _check_encoding(arguments: list[str]) -> None:
    """Refuse arguments that cannot be written down beside the results.

    Raises:
        ConfigError: with the argument.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"{excerpt(argument)} holds bytes that are no UTF-8; rename the file, or give the path of a link to it."
            ) from error


def _register_resolvers() -> None:
    """Names that conf/*.yaml uses: where a run keeps its files, and the choices that `--help` lists."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")

    def run_folder(resume: str | None, experiment: str | None) -> str:
        return str(run_of(resume)) if resume else f"outputs/{experiment or 'train'}/{now}"

    def described(sources: Any) -> str:
        return choices(sources).replace("$", "$$")  # Hydra fills in a template

    OmegaConf.register_new_resolver("metamann.run_directory", run_folder, replace=True)
    OmegaConf.register_new_resolver("metamann.choices", described, replace=True)


def print_run_directory(path: Path) -> None:
    """The last line of every command, for scripts."""
    print(f"run directory: {path}", flush=True)


def _end_stopped(stopped: Interrupted, directory: Path) -> NoReturn:
    number = stopped.number or signal.SIGTERM
    hint = f"; go on with: metamann-train resume={directory}" if has_checkpoint(directory) else ""
    print(f"stopped by signal {number}{hint}", file=sys.stderr, flush=True)
    print_run_directory(directory)
    sys.exit(128 + number)


def stop(error: Exception) -> NoReturn:
    """End the command with the one line of an error that a user can cause; any other is raised.

    Raises:
        Exception: one that no user can cause.
    """
    message = message_of(error)
    if message is None:
        raise error
    print(f"error: {shorten(message, LONGEST_MESSAGE)}", file=sys.stderr, flush=True)
    sys.exit(2)
