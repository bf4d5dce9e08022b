"""How every command starts and ends: Hydra in front, one line for an error, the run directory last."""

from __future__ import annotations

import functools
import io
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

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from metamann.commands.command_settings import check_command
from metamann.commands.directory import locked, run_of
from metamann.commands.messages import message_of
from metamann.commands.overrides import readable
from metamann.commands.stop import stop_signals
from metamann.data.cache import cache_folder, remove_halves
from metamann.errors import LONGEST_MESSAGE, ConfigError, excerpt, shorten
from metamann.training.loop import Interrupted

CACHE_FILES = r"[\w.-]+\.pt"
HALVES_SECONDS = 600.0  # the cache is shared: what was changed in this time may be of a command that is writing it


class Failure(float):
    """NaN, of a job of a sweep that ended in an error.

    Attributes:
        reason: the line of the error.
    """

    reason: str

    def __new__(cls, reason: str) -> Failure:
        """NaN with a reason."""
        failure = super().__new__(cls, "nan")
        failure.reason = reason
        return failure


def run_command(command: Callable[[], Any], open_groups: tuple[str, ...]) -> None:
    """Run a Hydra main; an error that a user can cause is one line on standard error and exit status 2.

    Args:
        command: what `hydra.main` returned.
        open_groups: nodes whose keys Hydra cannot know yet; the command checks them itself.
    """
    register_resolvers()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # as standard error does: a name that the terminal lacks characters for stops nothing
        sys.stdout.reconfigure(errors="backslashreplace")
    # makes Hydra raise its errors instead of printing them in its own way
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        check_encoding(sys.argv[1:])
        key_of_open_group = rf"^({'|'.join(open_groups)})(?=\.|=\{{)"
        sys.argv[1:] = [re.sub(key_of_open_group, r"++\1", argument) for argument in readable(sys.argv[1:])]
        command()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr, flush=True)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        stop(error)


def check_encoding(arguments: list[str]) -> None:
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


def job(task: Callable[[DictConfig], float]) -> Callable[[DictConfig], float]:
    """Let a single job end with its one line before Hydra adds its own; jobs of a sweep let the others go on.

    A job of a sweep that fails returns a `Failure`, and `SweepTable` ends the sweep with exit status 2.
    """

    @functools.wraps(task)
    def guarded(config: DictConfig) -> float:
        try:
            check_command(str(HydraConfig.get().job.config_name), config)
            with stop_signals(), locked(run_directory()):
                remove_halves(cache_folder(), CACHE_FILES, age=HALVES_SECONDS)
                return task(config)
        except Interrupted as stopped:
            _end_stopped(stopped)
        except Exception as error:
            if HydraConfig.get().mode != RunMode.MULTIRUN:
                stop(error)
            message = message_of(error)
            if message is None:
                traceback.print_exc()  # of a mistake of ours, that the other jobs need not share
            reason = shorten(message or repr(error), LONGEST_MESSAGE)
            print(f"error: {reason}", file=sys.stderr, flush=True)
            return Failure(reason)

    return guarded


def register_resolvers() -> None:
    """Names that conf/*.yaml uses: where a run, new or resumed, keeps its files."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")

    def run_folder(resume: str | None, experiment: str | None) -> str:
        return str(run_of(resume)) if resume else f"outputs/{experiment or 'train'}/{now}"

    OmegaConf.register_new_resolver("metamann.run_directory", run_folder, replace=True)


def run_directory() -> Path:
    """Absolute path of the job's directory."""
    return Path(HydraConfig.get().runtime.output_dir).resolve()


def command_line() -> str:
    """The command as it was typed, for the files of its results."""
    name = Path(sys.argv[0]).stem
    return shlex.join([name if name.startswith("metamann-") else f"metamann-{name}", *sys.argv[1:]])


def print_run_directory(path: Path) -> None:
    """The last line of every command, for scripts."""
    print(f"run directory: {path}", flush=True)


def _end_stopped(stopped: Interrupted) -> NoReturn:
    directory, number = run_directory(), int(stopped.args[0])
    begun = (directory / "checkpoints" / "last.pt").is_file()
    hint = f"; go on with: metamann-train resume={directory}" if begun else ""
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
