"""The common frame of all commands: settings composed by Hydra, and one line for an error."""

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
    """NaN, the score of a job of a sweep that ended in an error.

    Attributes:
        reason: the message of the error.

    Examples:
        >>> Failure("seed=-1 is out of range.").reason
        'seed=-1 is out of range.'
    """

    reason: str

    def __new__(cls, reason: str) -> Failure:
        """Create NaN with a reason."""
        failure = super().__new__(cls, "nan")
        failure.reason = reason
        return failure


def run_command(name: str, command: Command, open_groups: tuple[str, ...]) -> None:
    """Run a command; an error that a user can cause is one line on standard error and exit status 2.

    Args:
        name: name of its configuration in conf/, whose typed settings `register` adds.
        command: takes the settings, the run directory and the caller; returns the score for sweepers.
        open_groups: nodes whose keys Hydra cannot check; the command checks them.
    """
    register()
    _register_resolvers()
    line = shlex.join([f"metamann-{name}", *sys.argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # like standard error: a character that the terminal cannot encode raises no error
        sys.stdout.reconfigure(errors="backslashreplace")
    # Hydra raises its errors instead of printing them
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
    """Run one job with its settings as objects in place of a DictConfig.

    A single job that fails ends the process before Hydra prints a message. A job of a sweep that fails returns a
    `Failure`, so that the other jobs run, and `SweepTable` ends the sweep with exit status 2.
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
            traceback.print_exc()  # a defect of metamann, which the other jobs may not have
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
    """Refuse arguments that cannot be encoded in the files of a run.

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
    """Register the resolvers of conf/*.yaml: the run directory, and the choices that `--help` lists."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")

    def run_folder(resume: str | None, experiment: str | None) -> str:
        return str(run_of(resume)) if resume else f"outputs/{experiment or 'train'}/{now}"

    def described(sources: Any) -> str:
        return choices(sources).replace("$", "$$")  # Hydra fills in a template

    OmegaConf.register_new_resolver("metamann.run_directory", run_folder, replace=True)
    OmegaConf.register_new_resolver("metamann.choices", described, replace=True)


def print_run_directory(path: Path) -> None:
    """Print the last line of every command, which scripts read."""
    print(f"run directory: {path}", flush=True)


def _end_stopped(stopped: Interrupted, directory: Path) -> NoReturn:
    number = stopped.number or signal.SIGTERM
    hint = f"; go on with: metamann-train resume={directory}" if has_checkpoint(directory) else ""
    print(f"stopped by signal {number}{hint}", file=sys.stderr, flush=True)
    print_run_directory(directory)
    sys.exit(128 + number)


def stop(error: Exception) -> NoReturn:
    """End the command with the message of an error that a user can cause; any other error is raised.

    Raises:
        Exception: an error that no user can cause.
    """
    message = message_of(error)
    if message is None:
        raise error
    print(f"error: {shorten(message, LONGEST_MESSAGE)}", file=sys.stderr, flush=True)
    sys.exit(2)
