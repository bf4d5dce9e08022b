"""The one line of every error that a user can cause, whoever raised it: metamann, Hydra, or the system."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException

from metamann.commands.overrides import quoted
from metamann.errors import MetamannError, excerpt, shorten
from metamann.hardware import out_of_memory

LONGEST_PATH = 150  # characters of a message
LONGEST_LIST = 240
LONGEST_NAME = 255  # bytes that file systems take
# what Hydra and OmegaConf put behind the sentence that says what is wrong
NOISE = re.compile(r"\s*(Config search path:|See https://hydra\.cc|full_key:|object_type=).*", re.DOTALL)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAKERS = ("mkdir", "makedirs", "mkdtemp")
WRITERS = ("write_text", "write_bytes", "write_atomically", "_save_config", "save")
READERS = ("read_text", "read_bytes", "iterdir", "scandir", "rglob", "glob", "stat", "is_file", "is_dir", "exists")


def message_of(error: BaseException) -> str | None:
    """What a user did wrong and can do about it; None for an error that no user can cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MetamannError):
            return str(cause)
        if isinstance(cause, OSError) and not isinstance(cause, HydraException):
            return _of_file(cause)
        # OmegaConf leaves out the cause of what its resolvers raise
        cause = cause.__cause__ or (cause.__context__ if isinstance(cause, OmegaConfBaseException) else None)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _of_hydra(error)
    if out_of_memory(error):
        return (
            f"there is not enough memory ({excerpt(error)}); lower trainer.batch_size or raise trainer.accumulate in "
            "training, lower images_per_batch or sentences_per_batch in evaluation, or the sizes of the learner."
        )
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return "a path holds a NUL character, which no file has in its name; correct the path."
    if "Config group override must be" in str(error):
        return "a group of settings cannot be null here; choose one by its name, as in memory=ntm."
    frames = traceback.extract_tb(error.__traceback__)
    if frames and re.search(r"[/\\](hydra|omegaconf|antlr4)[/\\]", frames[-1].filename):
        return f"the settings cannot be read ({shorten(error, 150)}); correct the command line."
    return None


def _of_hydra(error: Exception) -> str:
    if isinstance(error, OverrideParseException):
        key, equals, value = error.override.partition("=")
        if not equals:
            return f"{excerpt(error.override)} is no setting; write NAME=VALUE."
        return f"{excerpt(error.override)} cannot be read; quote the value: {in_shell(key, value)}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"there is no {group}={excerpt(name)}; choose {_folded(error.options)}."
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value; set {error.full_key}=VALUE."
    if isinstance(error, InterpolationResolutionError):
        return f"{error.full_key or 'a setting'}: {NOISE.sub('', str(error))}; correct it."
    unknown = error.__cause__
    key_of = re.match(r"Could not override '(.+)'\.", str(error))
    if key_of and isinstance(unknown, OmegaConfBaseException) and isinstance(unknown.parent_node, DictConfig):
        known = ", ".join(str(key) for key in unknown.parent_node if not str(key).startswith("_") and key != "hydra")
        return f"there is no setting {excerpt(key_of[1])}; choose one of {known}."
    ambiguous = re.match(r"Ambiguous value for argument '(.*?)=(.*)'\n", str(error))
    if ambiguous:
        return (
            f"{excerpt(ambiguous[1])} has a comma in its value; quote it: {in_shell(*ambiguous.groups())}, make it a "
            "list in brackets, or put -m first to run once for each."
        )
    reason = "" if unknown is None else f" {NOISE.sub('', str(unknown))}"
    return NOISE.sub("", str(error)) + reason


def _folded(names: Sequence[str]) -> str:
    """Names with commas between them; many that start alike share their start, as a shell has it: `copy, a_{1, 2}`."""
    if len(", ".join(names)) <= LONGEST_LIST:
        return ", ".join(names)
    folded = []
    for start, alike in groupby(sorted(names), key=lambda name: name.partition("_")[0]):
        whole = list(alike)
        ends = ", ".join(name.removeprefix(f"{start}_") for name in whole)
        folded.append(f"{start}_{{{ends}}}" if len(whole) > 1 else whole[0])
    return ", ".join(folded)


def in_shell(key: str, value: str) -> str:
    """A setting with its value in quotes, as it is typed in a shell."""
    setting = f"{key}={quoted(value)}".replace("'", "'\\''")
    return shorten(f"'{setting}'", LONGEST_PATH)


def _of_file(error: OSError) -> str:
    name = error.filename2 or error.filename
    if name is None or isinstance(name, int):
        where = f"a file of {HydraConfig.get().runtime.output_dir}" if HydraConfig.initialized() else "a file"
        path = None
    else:
        path = Path(os.fsdecode(name))
        where = shorten(path, LONGEST_PATH)
    reason = error.strerror or excerpt(error)
    if error.errno in NO_ROOM:
        return f"{where} cannot be written ({reason}); make room, or choose another place."
    if error.errno == errno.ENAMETOOLONG and path is not None:
        longest = max(len(os.fsencode(part)) for part in path.parts)
        limit = f"a name of {longest} bytes, and at most {LONGEST_NAME} go" if longest > LONGEST_NAME else "as a whole"
        return f"{where} is too long ({limit}); shorten it."
    if error.errno == errno.ELOOP:
        return f"{where} leads round in a circle of links; mend the link, or give another path."
    if error.errno == errno.EISDIR:
        return f"{where} is a folder where a file is wanted; give another path."
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and path is not None:
        file = next((each for each in (path, *path.parents) if os.path.lexists(each) and not each.is_dir()), None)
        if file is not None:
            place = "it" if file == path else f"{excerpt(file.name)} on the way to it"
            return f"{where} cannot be {_attempt(error, path)}: {place} is a file; give another path."
    return f"{where} cannot be {_attempt(error, path)} ({reason}); give another path, or mend this one."


def _attempt(error: OSError, path: Path | None) -> str:
    """What was to be done with a file: read, written or made."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for verb, functions in (("made", MAKERS), ("written", WRITERS), ("read", READERS)):
            if frame.name in functions:
                return verb
    if error.errno == errno.EROFS or path is None:
        return "written"
    if path.exists():
        return "written" if _may(path, os.R_OK) else "read"
    return "made" if path.parent.is_dir() and not _may(path.parent, os.W_OK) else "read"


def _may(path: Path, right: int) -> bool:
    return os.access(path, right, effective_ids=os.access in os.supports_effective_ids)
