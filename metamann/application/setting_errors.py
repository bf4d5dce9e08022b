"""Messages for errors of Hydra and OmegaConf: the setting, its type, and how its value is written."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from metamann.application.file_errors import LONGEST_PATH
from metamann.application.trust import conf_choices
from metamann.errors import excerpt, setting, shorten

LONGEST_LIST = 240
WHOLE = "a whole number"
# what Hydra and OmegaConf append to the description of an error
NOISE = re.compile(
    r"\s*(Config search path:|See https://hydra\.cc|full_key:|object_type=|reference_type=|To append to your).*",
    re.DOTALL,
)
# names of other libraries; the first setting that the command has is suggested
SYNONYMS = {
    **dict.fromkeys(("lr", "rate", "lrate"), ("trainer.learning_rate",)),
    **dict.fromkeys(
        ("epochs", "max_epochs", "num_epochs", "n_epochs", "max_steps", "num_steps", "iterations", "steps"),
        ("trainer.steps",),
    ),
    **dict.fromkeys(("batchsize", "batch_size", "bs", "train_batch_size"), ("trainer.batch_size", "images_per_batch")),
    **dict.fromkeys(("num_workers", "n_workers", "workers"), ("trainer.workers",)),
    **dict.fromkeys(("device", "gpu", "cuda"), ("trainer.device", "device")),
    **dict.fromkeys(("precision", "amp", "fp16", "bf16"), ("trainer.precision", "precision")),
    **dict.fromkeys(("grad_clip", "clip", "gradient_clip_val", "max_norm"), ("trainer.max_grad_norm",)),
    **dict.fromkeys(("num_episodes", "n_episodes", "episodes"), ("episodes", "validation.episodes")),
    **dict.fromkeys(("model", "network", "arch"), ("memory", "checkpoint", "runs")),
    **dict.fromkeys(("dataset", "datasets", "data_name"), ("data",)),
    **dict.fromkeys(("ckpt", "ckpt_path", "weights", "run", "checkpoint"), ("checkpoint", "resume", "runs")),
    **dict.fromkeys(("random_seed", "manual_seed"), ("seed",)),
    **dict.fromkeys(("ways", "n_way", "way"), ("protocol.ways",)),
    **dict.fromkeys(("shots", "k_shot", "n_shot", "shot"), ("protocol.shots",)),
    **dict.fromkeys(("wandb", "tensorboard", "project"), ("logger",)),
    **dict.fromkeys(("output", "output_dir", "out", "save_dir"), ("hydra.run.dir",)),
}


def setting_error(error: Exception) -> str:
    """The message for an error of Hydra or OmegaConf, in one line.

    Args:
        error: the error.
    """
    if isinstance(error, OverrideParseException):
        key, equals, value = error.override.partition("=")
        if not equals:
            return f"{excerpt(error.override)} is no setting; write NAME=VALUE."
        return f"{excerpt(error.override)} cannot be read; quote the value: {in_shell(key, value)}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if group == "learner" and name in conf_choices()["adapter"]:
            return f"learner={name} is an adapter of a trained learner now; evaluate with adapter={name}."
        return f"there is no {group}={excerpt(name)}; choose {_folded(error.options)}."
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value; set {error.full_key}=VALUE."
    if isinstance(error, InterpolationResolutionError):
        return f"{error.full_key or 'a setting'}: {NOISE.sub('', str(error))}; correct it."
    unlisted = re.match(r"Could not override '(.+)'\. No match in the defaults list", str(error))
    if unlisted:
        group = excerpt(unlisted[1])
        hint = "; adapters are chosen by adapter=NAME" if group == "learner" else ""
        return f"{group} cannot be chosen by its name in this command; set its keys: {group}.KEY=VALUE{hint}."
    if "Config group override must be" in str(error):
        return "a group of settings cannot be null here; choose one by its name, as in memory=ntm."
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigKeyError | AttributeError) and isinstance(cause, OmegaConfBaseException):
        return _unknown(cause)
    if isinstance(cause, ValidationError):
        return _other_kind(cause, str(error))
    ambiguous = re.match(r"Ambiguous value for argument '(.*?)=(.*)'\n", str(error))
    if ambiguous:
        return (
            f"{excerpt(ambiguous[1])} has a comma in its value; quote it: {in_shell(*ambiguous.groups())}, make it a "
            "list in brackets, or put -m first to run once for each."
        )
    reason = "" if cause is None or cause is error else f" {NOISE.sub('', str(cause))}"
    return NOISE.sub("", str(error)) + reason


def _unknown(error: OmegaConfBaseException) -> str:
    """The message for an unknown key, with a suggestion or a list of the known keys."""
    key, node = str(error.full_key), error.parent_node
    names = node if isinstance(node, DictConfig) else ()
    here = [str(name) for name in names if not str(name).startswith("_") and name != "hydra"]
    prefix, _, last = key.rpartition(".")
    synonyms = [name for name in SYNONYMS.get(last.lower(), ()) if name != key]
    known = [name for name in synonyms if name.startswith("hydra.") or _has(node, name)]
    close = difflib.get_close_matches(last, here, n=1, cutoff=0.75)
    if known or close:
        right = known[0] if known else f"{prefix}.{close[0]}".strip(".")
        return f"there is no setting {excerpt(key)}; use {right}=."
    if not here:
        return f"there is no setting {excerpt(key)}; leave it out."
    return f"there is no setting {excerpt(key)}; choose one of {', '.join(here)}."


def _has(node: Any, name: str) -> bool:
    """Whether the settings that contain a node have a setting of this name, with or without a value."""
    root = node._get_root()
    first, _, rest = name.partition(".")
    if first not in root.keys():  # noqa: SIM118  # `in root` is false for a setting without a value
        return False
    part = root._get_node(first)
    return not rest or not OmegaConf.is_config(part) or rest in part.keys()  # noqa: SIM118


def _other_kind(error: OmegaConfBaseException, message: str) -> str:
    """The message for a value of the wrong type."""
    key = str(error.full_key)
    override = re.match(r"Error merging override \+*[\w.@/]+=(.*)", message, re.DOTALL)
    value = (
        re.sub(r"^(['\"])(.*)\1$", r"\2", override[1], flags=re.DOTALL) if override else ""
    )  # as on the command line
    given = f"{key}={setting(value)}" if override else key
    owner = error.object_type
    hints = typing.get_type_hints(owner) if dataclasses.is_dataclass(owner) else {}
    expected = _in_words(hints.get(key.rpartition(".")[2].partition("[")[0], str), key)
    if expected == WHOLE and re.fullmatch(r"[+-]?\d+", value):  # more digits than Python converts
        return f"{given} is too large a number."
    return f"{given} must be {expected}."


def _in_words(kind: Any, key: str) -> str:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = (option for option in typing.get_args(kind) if option is not type(None))
    if dataclasses.is_dataclass(kind):
        return f"settings: {key}.NAME=VALUE"
    if typing.get_origin(kind) is list:
        return f"a list of texts: {key}=[ONE,TWO]"
    words: Mapping[Any, str] = {int: WHOLE, float: "a number", bool: "true or false"}
    return words.get(kind, "a text")


def quoted(text: str) -> str:
    """A text in quotes of the grammar of Hydra, in which backslashes are escaped only before a quote."""
    quote = '"' if "'" in text and '"' not in text else "'"
    escaped = re.sub(rf"(\\*){quote}", lambda match: 2 * match[1] + "\\" + quote, text)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return quote + escaped + trailing * "\\" + quote


def in_shell(key: str, value: str) -> str:
    """A setting with its value in quotes for a shell."""
    setting = f"{key}={quoted(value)}".replace("'", "'\\''")
    return shorten(f"'{setting}'", LONGEST_PATH)


def _folded(names: Sequence[str]) -> str:
    """Names separated by commas; in a long list common prefixes are written once, as in a shell: `copy, a_{1, 2}`."""
    if len(", ".join(names)) <= LONGEST_LIST:
        return ", ".join(names)
    folded = []
    for start, alike in groupby(sorted(names), key=lambda name: name.partition("_")[0]):
        whole = list(alike)
        ends = ", ".join(name.removeprefix(f"{start}_") for name in whole)
        folded.append(f"{start}_{{{ends}}}" if len(whole) > 1 else whole[0])
    return ", ".join(folded)
