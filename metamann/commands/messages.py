"""One-line messages of errors that a user can cause, raised by metamann, Hydra or the operating system."""

from __future__ import annotations

import re
import traceback

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metamann.application.file_errors import file_error
from metamann.application.setting_errors import setting_error
from metamann.errors import MetamannError, excerpt, shorten
from metamann.hardware import out_of_memory


def message_of(error: Exception) -> str | None:
    """The message of an error with its fix; None for an error that no user can cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MetamannError):
            return str(cause)
        if isinstance(cause, OSError) and not isinstance(cause, HydraException):
            return file_error(cause, _directory())
        # OmegaConf does not set the cause of errors in its resolvers
        cause = cause.__cause__ or (cause.__context__ if isinstance(cause, OmegaConfBaseException) else None)
    if isinstance(error, HydraException | OmegaConfBaseException) or "Config group override must be" in str(error):
        return setting_error(error)
    if out_of_memory(error):
        return (
            f"there is not enough memory ({excerpt(error)}); lower trainer.batch_size or raise trainer.accumulate in "
            "training, lower images_per_batch or sentences_per_batch in evaluation, or the sizes of the learner."
        )
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return "a path holds a NUL character, which no file has in its name; correct the path."
    frames = traceback.extract_tb(error.__traceback__)
    if frames and re.search(r"[/\\](hydra|omegaconf|antlr4)[/\\]", frames[-1].filename):
        return f"the settings cannot be read ({shorten(error, 150)}); correct the command line."
    return None


def _directory() -> str | None:
    """The output directory of the command; None before Hydra has set it."""
    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):
        return None
    return str(HydraConfig.get().runtime.output_dir)
