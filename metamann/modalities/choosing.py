"""The modality of a run, and whether its parts are compatible."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from metamann.errors import ConfigError, excerpt, shorten
from metamann.modalities.images import Images
from metamann.modalities.modality import Modality
from metamann.modalities.sentences import Sentences
from metamann.modalities.sequences import Sequences
from metamann.modalities.supervised import SupervisedSentences
from metamann.modalities.vectors import Vectors

GROUPS = ("protocol", "train_protocol", "encoder", "memory", "learner", "adapter")
PLUG_IN = "modality."  # prefix of the entry points that register a modality
Choices = Mapping[str, Mapping[str, Mapping[str, Any]]]


@functools.cache
def modalities() -> tuple[Modality, ...]:
    """The modalities of metamann and those that installed plug-ins register.

    Raises:
        ConfigError: if a plug-in cannot be imported.
    """
    entries = [entry for entry in entry_points(group="metamann.plugins") if entry.name.startswith(PLUG_IN)]
    plugged = [_loaded(entry) for entry in entries]
    return (Images(), Vectors(), Sentences(), SupervisedSentences(), Sequences(), *plugged)


def modality_of(parts: Mapping[str, Any], choices: Choices) -> Modality:
    """The modality that the data of a run belong to; if there are several, the one that has its protocol.

    Args:
        parts: plain data by name; a part may be absent or None.
        choices: choices of conf/, by group and name; parts of a plug-in are those that its modality lists.

    Raises:
        ConfigError: if parts are not compatible; the message names parts that are.
    """
    data, protocol = (_target(parts.get(part)) for part in ("data", "protocol"))
    known = modalities()
    with_protocol = [modality for modality in known if protocol in _targets(modality, "protocol", choices)]
    if data is None:
        candidates = [modality for modality in with_protocol if not modality.fits["data"]]
        if not candidates and with_protocol:
            raise ConfigError(
                f"{_named('protocol', protocol, choices)} deals episodes of a data set, and there is none; choose "
                f"{_any('data', with_protocol[0])}."
            )
    else:
        candidates = [modality for modality in known if data in _targets(modality, "data", choices)]
    if not candidates:  # the data are of a user's own class, so the protocol decides
        candidates = [modality for modality in with_protocol if modality.fits["data"]]
    if not candidates:
        raise ConfigError(
            f"{_named('protocol', protocol, choices)} belongs to no kind of data that is known; a plug-in registers "
            "its own with an entry point modality.NAME."
        )
    modality = next((modality for modality in candidates if modality in with_protocol), candidates[0])
    _check_fits(modality, parts, choices)
    return modality


def _loaded(entry: EntryPoint) -> Modality:
    try:
        modality = entry.load()()
    except Exception as error:  # importing foreign code may raise anything
        raise ConfigError(
            f"plug-in {entry.name} ({entry.value}) cannot be imported ({type(error).__name__}: {shorten(error, 90)}); "
            "mend or uninstall it."
        ) from error
    if not isinstance(modality, Modality):
        raise ConfigError(f"plug-in {entry.name} ({entry.value}) is no Modality; derive it from Items or Modality.")
    return modality


def _check_fits(modality: Modality, parts: Mapping[str, Any], choices: Choices) -> None:
    """Refuse parts that only other modalities have."""
    data = _target(parts.get("data"))
    what = f"{_named('data', data, choices)} ({modality.name})" if data else modality.name
    for group in GROUPS:
        listed = group.replace("train_protocol", "protocol")
        target = _target(parts.get(group))
        if target is None or target in _targets(modality, listed, choices):
            continue
        others = [other for other in modalities() if target in _targets(other, listed, choices)]
        if not others:
            continue  # a class of a plug-in, or one named by trust=
        name = _named(listed, target, choices).replace(listed, group, 1)
        if group == "protocol" and not others[0].fits["data"]:
            raise ConfigError(
                f"{name} draws its own {others[0].name} and takes no data; start from experiment=copy, repeat_copy or "
                "associative_recall, and leave out data=."
            )
        has_choice = group == listed and modality.fits[listed]  # train_protocol= takes no choice of conf/
        hint = f"choose {_any(listed, modality)}" if has_choice else f"leave out {group}="
        raise ConfigError(f"{name} is for {others[0].name} and does not go with {what}; {hint}.")


def _any(listed: str, modality: Modality) -> str:
    names = modality.fits[listed]
    return f"{listed}={', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else f"{listed}={names[0]}"


def _target(node: Any) -> str | None:
    target = node.get("_target_") if isinstance(node, Mapping) else None
    return target if isinstance(target, str) else None


def _targets(modality: Modality, group: str, choices: Choices) -> set[str]:
    nodes = choices.get(group, {})
    # a plug-in lists dotted names, which are no choices of conf/
    return {str(nodes[name].get("_target_")) if name in nodes else name for name in modality.fits.get(group, ())}


def _named(group: str, target: str | None, choices: Choices) -> str:
    """`group=choice`, as on the command line."""
    names = [name for name, node in choices.get(group, {}).items() if node.get("_target_") == target]
    return f"{group}={names[0]}" if names else f"{group} {excerpt(target)}"
