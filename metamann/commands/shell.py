"""How every command starts and ends: Hydra in front, one line for an error, the run directory last."""

from __future__ import annotations

import errno
import functools
import math
import os
import re
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metamann.commands.directory import locked, run_of
from metamann.commands.stop import stop_signals
from metamann.data.cache import cache_folder, remove_halves
from metamann.errors import LONGEST_MESSAGE, MetamannError, shorten
from metamann.training.loop import Interrupted

CACHE_FILES = r"[\w.-]+\.pt"
HALVES_SECONDS = 600.0  # the cache is shared: what was changed in this time may be of a command that is writing it
USER_ERRORS = (MetamannError, HydraException, OmegaConfBaseException)
# no room, no right, no such place: the user's to mend, wherever a file is written
DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def run_command(command: Callable[[], Any], open_groups: tuple[str, ...]) -> None:
    """Run a Hydra main; an error that a user can cause is one line on standard error and exit status 2.

    Args:
        command: what `hydra.main` returned.
        open_groups: nodes whose keys Hydra cannot know yet; the command checks them itself.
    """
    register_resolvers()
    key_of_open_group = rf"^({'|'.join(open_groups)})(?=\.|=\{{)"
    sys.argv[1:] = [re.sub(key_of_open_group, r"++\1", argument) for argument in sys.argv[1:]]
    # makes Hydra raise its errors instead of printing them in its own way
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        command()
    except USER_ERRORS as error:
        _stop(error)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        _stop(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr, flush=True)
        sys.exit(128 + signal.SIGINT)


def job(task: Callable[[DictConfig], float]) -> Callable[[DictConfig], float]:
    """Let a single job end with its one line before Hydra adds its own; jobs of a sweep let the others go on.

    A job of a sweep that fails returns NaN, and `SweepTable` ends the sweep with exit status 2.
    """

    @functools.wraps(task)
    def guarded(config: DictConfig) -> float:
        try:
            with stop_signals(), locked(run_directory()):
                remove_halves(cache_folder(), CACHE_FILES, age=HALVES_SECONDS)
                return task(config)
        except Interrupted as stopped:
            _end_stopped(stopped)
        except (*USER_ERRORS, OSError) as error:
            if isinstance(error, OSError) and error.errno not in DISK_ERRORS:
                raise
            if HydraConfig.get().mode != RunMode.MULTIRUN:
                _stop(error)
            print(f"error: {_one_line(error)}", file=sys.stderr, flush=True)
            return math.nan

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


def _stop(error: Exception) -> NoReturn:
    print(f"error: {_one_line(error)}", file=sys.stderr, flush=True)
    sys.exit(2)


def _one_line(error: Exception) -> str:
    return shorten(_message(error), LONGEST_MESSAGE)


def _message(error: Exception) -> str:
    # Hydra's own messages span lines: what is wrong, then where
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MetamannError):
        cause = cause.__cause__
    if cause is not None:
        return str(cause)
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        where = error.filename or (f"a file of {run_directory()}" if HydraConfig.initialized() else "a file")
        return f"{where} cannot be written ({error.strerror}); make room, or choose another place."
    message = str(error).strip()
    if isinstance(error, HydraException) and error.__cause__ is not None:
        message = f"{message} {error.__cause__}"
    return message
