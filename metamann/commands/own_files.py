"""A user's own files, which `support=` and `query=` name, and how they are read."""

from __future__ import annotations

import dataclasses

from omegaconf import DictConfig

from metamann.commands.build import show_notes
from metamann.data.own.own_task import own_task
from metamann.data.own.reader import ReadingOptions
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits
from metamann.errors import ConfigError

OPTIONS = tuple(field.name for field in dataclasses.fields(ReadingOptions))


def own_files(config: DictConfig) -> FixedEpisodeSplits | None:
    """The task of the files that a command names, once what was found in them is said; None if it names none.

    Args:
        config: of the command.

    Raises:
        ConfigError: if one of the two files is missing, or options of reading are given without them.
        DataError: if a file cannot be read.
    """
    options = {name: config[name] for name in OPTIONS if config[name] is not None}
    if not (config.support or config.query):
        if options:
            name = next(iter(options))
            raise ConfigError(f"{name}= says how support= and query= are read; give them, or set data.{name}.")
        return None
    if not (config.support and config.query):
        raise ConfigError("support= and query= go together: the file to learn from, and the one to tag.")
    if config.split != "test":
        raise ConfigError(f"support= and query= are one task of split=test; leave out split={config.split}.")
    splits = own_task(str(config.support), str(config.query), ReadingOptions(**options))
    show_notes(splits.notes)
    return splits
