"""From configuration to objects."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metamann.commands.kinds import check_kinds
from metamann.data.fixed_episodes import FixedEpisodeSplits
from metamann.data.sentences import SentenceSplits
from metamann.data.store import DataSplits
from metamann.episodes import ranges
from metamann.episodes.algorithmic import SequenceTask
from metamann.episodes.greedy import GreedySentences
from metamann.episodes.protocols import EpisodeProtocol
from metamann.episodes.sentence_protocols import SentenceProtocol
from metamann.episodes.supervised import Supervised
from metamann.episodes.tagging import n_tags
from metamann.errors import ConfigError, MetamannError, excerpt, setting, shorten
from metamann.hardware import TensorsFit, out_of_memory
from metamann.learners.learner import Learner
from metamann.learners.sequence import SequenceLearner

# key of the group that a package of metamann is configured by
GROUPS = {"episodes": "protocol", "encoders": "encoder", "learners": "learner", "training": "trainer"}


def build(node: DictConfig, trust: Sequence[str] = (), **extra: Any) -> Any:
    """Build the object that a node's `_target_` names.

    A configuration travels with its checkpoint, and a `_target_` can call anything: only metamann's own, and
    what the user trusts, is called.

    Args:
        node: configuration of one object.
        trust: packages beside metamann.
        extra: arguments that the configuration does not hold.

    Raises:
        ConfigError: if the target is not trusted, or does not take these arguments.
        MetamannError: what the object itself refuses.
        OSError: if a file that it reads cannot be read.
    """
    plain = plain_config(node)
    for target in _targets(plain):
        _check_trusted(target, ("metamann", *trust))
    key = _key_of(node, plain)
    try:
        check_kinds(plain, key, extra)
        return hydra.utils.instantiate(plain, _convert_="all", **extra)
    except InstantiationException as error:
        raise _refusal(error, plain, key) from error


def build_learner(config: DictConfig, code_width: int) -> Learner[Any]:
    """The learner of a run's configuration.

    Args:
        config: of the run.
        code_width: of its label codes.
    """
    encoder = _build_module(config.encoder, config.trust)
    memory = _build_module(config.memory, config.trust, features=encoder.features, code_width=code_width)
    parts = {"encoder": encoder, "memory": memory, "code_width": code_width}
    learner: Learner[Any] = _build_module(config.learner, config.trust, **parts)
    return learner


def build_tagger(config: DictConfig, protocol: Supervised) -> Learner[Any]:
    """The learner of a run on supervised sentences: its memory is told no labels."""
    encoder = _build_module(config.encoder, config.trust)
    memory = _build_module(config.memory, config.trust, features=encoder.features, code_width=0)
    tags = n_tags(protocol.scheme, len(protocol.types or ()))
    learner: Learner[Any] = _build_module(config.learner, config.trust, encoder=encoder, memory=memory, tags=tags)
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
    memory = _build_module(config.memory, config.trust, features=task.channels, code_width=0)
    learner: SequenceLearner = _build_module(config.learner, config.trust, memory=memory, bits=task.bits)
    return learner


def _build_module(node: DictConfig, trust: Sequence[str], **extra: Any) -> Any:
    """As `build`, refusing what this machine has no memory for."""
    with TensorsFit():
        return build(node, trust, **extra)


AnyProtocol = EpisodeProtocol | SentenceProtocol | SequenceTask


def build_protocols(config: DictConfig) -> tuple[AnyProtocol, AnyProtocol]:
    """The run's protocol, and the one it trains on: the same but for `train_protocol`, or one of its own."""
    training = config.train_protocol
    if "_target_" not in training:
        training = update(config.protocol, training, "train_protocol")
    return build(config.protocol, config.trust), build(training, config.trust)


def code_width(*protocols: AnyProtocol) -> int:
    """Width of label codes that serves all these protocols; sequences have no labels.

    Raises:
        ConfigError: if the classes of published episodes are not known before they are read.
    """
    return max(map(_code_width, protocols))


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
    """A node as plain types, interpolations resolved.

    Raises:
        ConfigError: if a value is missing.
    """
    try:
        plain: dict[str, Any] = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"{str(error).splitlines()[0]}; set {getattr(error, 'full_key', None) or 'it'}.") from error
    return plain


def _build_any_data(config: DictConfig) -> Any:
    if "data" not in config:
        raise ConfigError(
            f"{config.protocol._target_} deals episodes of a data set, but this run is on sequences, without data; "
            "leave out protocol=, or start from another experiment."
        )
    splits = build(config.data, config.trust)
    show_notes(splits.notes)
    return splits


def show_notes(notes: Sequence[str]) -> None:
    """Say what a reader of data found and decided, a line each, on standard error."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr, flush=True)


def _key_of(node: DictConfig, plain: Mapping[str, Any]) -> str:
    """The key of a node; that of its group where it is no part of a configuration."""
    package = str(plain.get("_target_")).partition(".")[2].partition(".")[0]
    return str(node._get_full_key(None)) or GROUPS.get(package, package)


def _refusal(error: InstantiationException, plain: Mapping[str, Any], key: str) -> Exception:
    """What a user can do about an object that cannot be built."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, MetamannError):
        cause = cause.__cause__
    inner = re.search(r"full_key: (\S+)$", str(error))  # of a node in this one
    path = f"{key}.{inner.group(1)}" if inner else key
    if isinstance(cause, MetamannError):
        group = key.partition(".")[0]
        return type(cause)(re.sub(rf"\b{group}\.(?=\w)", f"{path}.", str(cause))) if path != group else cause
    if isinstance(cause, OSError):
        return cause
    if out_of_memory(cause):
        largest = max(_numbers(plain, key), key=lambda number: number[1], default=(f"the sizes of {key}", None))
        size = largest[0] if largest[1] is None else f"{largest[0]}={largest[1]}"
        return ConfigError(f"{path} needs more memory than this machine has ({excerpt(cause)}); lower {size}.")
    given = ", ".join(f"{name}={setting(value)}" for name, value in plain.items() if not name.startswith("_"))
    return ConfigError(
        f"{path} cannot be built ({type(cause).__name__}: {shorten(cause, 100)}); correct its settings: "
        f"{shorten(given, 120)}."
    )


def _numbers(node: Any, key: str) -> list[tuple[str, int]]:
    """Keys and values of all whole numbers in a node."""
    if isinstance(node, Mapping):
        return [number for name, value in node.items() for number in _numbers(value, f"{key}.{name}")]
    return [(key, node)] if isinstance(node, int) and not isinstance(node, bool) else []


def _code_width(protocol: AnyProtocol) -> int:
    if isinstance(protocol, SequenceTask):
        return 0
    if protocol.codes.width is not None:
        return protocol.codes.width
    if isinstance(protocol, GreedySentences):
        return n_tags(protocol.scheme, ranges.ends(protocol.ways)[1])
    if isinstance(protocol, Supervised):
        return n_tags(protocol.scheme, len(protocol.types or ()))
    if isinstance(protocol, SentenceProtocol):
        raise ConfigError("episodes that are given have any number of classes; set protocol.codes.width, to 64 say.")
    return protocol.max_ways


def _check_trusted(target: str, packages: Sequence[str]) -> None:
    def trusted(module: str) -> bool:
        return any(module.startswith(f"{package}.") or module == package for package in packages)

    if not trusted(target.rpartition(".")[0]):
        raise ConfigError(
            f"the configuration wants to call {target}, which is not metamann's. If you trust it, "
            f"add its package: trust=[{target.partition('.')[0]}]."
        )
    try:
        called = hydra.utils.get_object(target)
    except Exception as error:  # whatever importing a module that the user names may raise
        raise ConfigError(f"the configuration names {target}, which does not exist or cannot be imported.") from error
    # a path through a trusted module may lead out of it again, to what the module imports
    if not trusted(getattr(called, "__module__", None) or ""):
        raise ConfigError(f"the configuration wants to call {target}, which only passes through a trusted package.")


def _targets(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [str(node["_target_"])] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    if isinstance(node, list):
        return [target for value in node for target in _targets(value)]
    return []
