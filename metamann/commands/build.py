"""From configuration to objects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metamann.commands.construct import construct
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits
from metamann.data.sentences.store import SentenceSplits
from metamann.data.store import ClassStore, DataSplits
from metamann.episodes.items.fitting import fitting_classes
from metamann.episodes.items.protocols import EpisodeProtocol
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sentences.supervised import Supervised
from metamann.episodes.sentences.tagging import n_tags
from metamann.episodes.sequences.algorithmic import SequenceTask
from metamann.errors import ConfigError, printable
from metamann.hardware import TensorsFit
from metamann.learners.learner import Learner
from metamann.learners.sequence import SequenceLearner
from metamann.training.plain import plain_fault


def build(config: DictConfig, part: str, **extra: Any) -> Any:
    """Build the object that a part of a run's configuration describes.

    A configuration travels with its checkpoint, so it is plain data here: nothing in it is resolved, and only classes
    that are trusted are called, see metamann.commands.trust.

    Args:
        config: of the run.
        part: `data`, `protocol`, `train_protocol`, `encoder`, `memory`, `learner` or `trainer`.
        extra: arguments that the configuration does not hold.

    Raises:
        ConfigError: if a class is not trusted, or does not take these arguments.
        MetamannError: what the object itself refuses.
        OSError: if a file that it reads cannot be read.
    """
    return construct(plain_config(config[part]), part, config.trust, extra)


def build_learner(config: DictConfig, code_width: int) -> Learner[Any]:
    """The learner of a run's configuration.

    Args:
        config: of the run.
        code_width: of its label codes.
    """
    encoder = _build_module(config, "encoder")
    memory = _build_module(config, "memory", features=encoder.features, code_width=code_width)
    parts = {"encoder": encoder, "memory": memory, "code_width": code_width}
    learner: Learner[Any] = _build_module(config, "learner", **parts)
    return learner


def build_tagger(config: DictConfig, protocol: Supervised) -> Learner[Any]:
    """The learner of a run on supervised sentences: its memory is told no labels."""
    encoder = _build_module(config, "encoder")
    memory = _build_module(config, "memory", features=encoder.features, code_width=0)
    tags = n_tags(protocol.scheme, len(protocol.types or ()))
    learner: Learner[Any] = _build_module(config, "learner", encoder=encoder, memory=memory, tags=tags)
    return learner


def build_sequence_learner(config: DictConfig, task: SequenceTask) -> SequenceLearner:
    """The learner of a run on sequences: a memory that sees their bits, and no labels.

    Raises:
        ConfigError: if the configuration has data.
    """
    if "data" in config:
        raise ConfigError(
            f"{config.protocol._target_} draws its own sequences and takes no data; start from experiment=copy, "
            "repeat_copy or associative_recall, and leave out data=."
        )
    memory = _build_module(config, "memory", features=task.channels, code_width=0)
    learner: SequenceLearner = _build_module(config, "learner", memory=memory, bits=task.bits)
    return learner


def _build_module(config: DictConfig, part: str, **extra: Any) -> Any:
    """As `build`, refusing what this machine has no memory for."""
    with TensorsFit():
        return build(config, part, **extra)


AnyProtocol = EpisodeProtocol | SentenceProtocol | SequenceTask


def build_protocols(config: DictConfig) -> tuple[AnyProtocol, AnyProtocol]:
    """The run's protocol, and the one it trains on: the same but for `train_protocol`, or one of its own."""
    training = config.train_protocol
    if "_target_" not in training:
        training = update(config.protocol, training, "train_protocol")
    trained = construct(plain_config(training), "train_protocol", config.trust, {})
    return build(config, "protocol"), trained


def code_width(*protocols: AnyProtocol) -> int:
    """Width of label codes that serves all these protocols; sequences have no labels.

    Raises:
        ConfigError: if the classes of published episodes are not known before they are read.
    """
    return max(protocol.code_width() for protocol in protocols)


def build_data(config: DictConfig) -> DataSplits:
    """The images of a run's configuration.

    Raises:
        ConfigError: if it has none, or other data.
    """
    splits = _build_any_data(config)
    if not isinstance(splits, DataSplits):
        raise ConfigError(
            f"{config.data._target_} reads sentences, and {config.protocol._target_} deals images; set "
            "protocol=greedy_sentences, fixed_sentences or supervised, with an encoder and a learner of sentences, or "
            "choose data of images."
        )
    return splits


def classes_for(protocol: EpisodeProtocol, splits: DataSplits, split: str) -> ClassStore:
    """The classes of a split that a protocol deals: all, but of a user's own images those that are large enough for it.

    Raises:
        EpisodeError: if too few are left.
    """
    store = splits.split(split)
    if not splits.own:
        return store
    fitting, notes = fitting_classes(store, protocol)
    show_notes(notes)
    return fitting


def build_sentences(config: DictConfig) -> SentenceSplits | FixedEpisodeSplits:
    """The sentences of a run's configuration.

    Raises:
        ConfigError: if it has none, or other data.
    """
    splits = _build_any_data(config)
    if not isinstance(splits, SentenceSplits | FixedEpisodeSplits):
        raise ConfigError(
            f"{config.data._target_} reads images, and {config.protocol._target_} deals sentences; choose data of "
            "sentences, such as data=records, fewnerd or columns."
        )
    return splits


def update(node: DictConfig, changes: Any, name: str) -> DictConfig:
    """A copy of a node with some of its keys changed.

    Raises:
        ConfigError: if it has no such key.
    """
    copy = OmegaConf.create(plain_config(node))
    OmegaConf.set_struct(copy, True)
    try:
        copy.merge_with(changes)
    except OmegaConfBaseException as error:
        known = ", ".join(str(key) for key in copy if key != "_target_")
        raise ConfigError(f"{name}: {str(error).splitlines()[0]}; it has {known}.") from error
    result: DictConfig = OmegaConf.create({name: copy})[name]  # a node that knows its key
    return result


def plain_config(node: DictConfig) -> dict[str, Any]:
    """A node as plain data, interpolations resolved once and for all.

    Raises:
        ConfigError: if a value is missing, or what is resolved would be resolved or built in another way again.
    """
    try:
        plain: dict[str, Any] = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"{str(error).splitlines()[0]}; set {getattr(error, 'full_key', None) or 'it'}.") from error
    fault = plain_fault(plain)
    if fault is not None:
        raise ConfigError(f"the configuration is no plain data: {fault}. Write values without ${{...}}.")
    return plain


def _build_any_data(config: DictConfig) -> Any:
    if "data" not in config:
        raise ConfigError(
            f"{config.protocol._target_} deals episodes of a data set, but this run is on sequences, without data; "
            "leave out protocol=, or start from another experiment."
        )
    splits = build(config, "data")
    show_notes(splits.notes)
    return splits


def show_notes(notes: Sequence[str]) -> None:
    """Say what a reader of data found and decided, a line each, on standard error."""
    for note in notes:
        print(f"note: {printable(note)}", file=sys.stderr, flush=True)
