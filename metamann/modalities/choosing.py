"""Which kind of input a run has, and whether its parts go together."""

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
PLUG_IN = "modality."  # how the names of entry points begin that register one
Choices = Mapping[str, Mapping[str, Mapping[str, Any]]]


@functools.cache
def modalities() -> tuple[Modality, ...]:
    """Those of metamann, and those that installed plug-ins register.

    Raises:
        ConfigError: if a plug-in cannot be imported.
    """
    entries = [entry for entry in entry_points(group="metamann.plugins") if entry.name.startswith(PLUG_IN)]
    plugged = [_loaded(entry) for entry in entries]
    return (Images(), Vectors(), Sentences(), SupervisedSentences(), Sequences(), *plugged)


def modality_of(parts: Mapping[str, Any], choices: Choices) -> Modality:
    """The modality of a run's parts: the one that its data belong to, and of several the one that deals its protocol.

    Args:
        parts: plain data by name; a part that is absent or None is not there.
        choices: what conf/ offers, by group and name; what a plug-in adds goes by what its modality lists.

    Raises:
        ConfigError: if parts do not go together, with what does.
    """
    data, protocol = (_target(parts.get(part)) for part in ("data", "protocol"))
    known = modalities()
    dealing = [each for each in known if protocol in _targets(each, "protocol", choices)]
    if data is None:
        found = [each for each in dealing if not each.fits["data"]]
        if not found and dealing:
            raise ConfigError(
                f"{_named('protocol', protocol, choices)} deals episodes of a data set, and there is none; choose "
                f"{_any('data', dealing[0])}."
            )
        candidates = found
    else:
        candidates = [each for each in known if data in _targets(each, "data", choices)]
    if not candidates:  # data of a user's own class: the protocol says what they are
        candidates = [each for each in dealing if each.fits["data"]]
    if not candidates:
        raise ConfigError(
            f"{_named('protocol', protocol, choices)} belongs to no kind of data that is known; a plug-in registers "
            "its own with an entry point modality.NAME."
        )
    modality = next((each for each in candidates if each in dealing), candidates[0])
    _check_fits(modality, parts, choices)
    return modality


def _loaded(entry: EntryPoint) -> Modality:
    try:
        modality = entry.load()()
    except Exception as error:  # whatever importing the code of others may raise
        raise ConfigError(
            f"plug-in {entry.name} ({entry.value}) cannot be imported ({type(error).__name__}: {shorten(error, 90)}); "
            "mend or uninstall it."
        ) from error
    if not isinstance(modality, Modality):
        raise ConfigError(f"plug-in {entry.name} ({entry.value}) is no Modality; derive it from Items or Modality.")
    return modality


def _check_fits(modality: Modality, parts: Mapping[str, Any], choices: Choices) -> None:
    """Refuse parts that belong to other modalities alone."""
    data = _target(parts.get("data"))
    what = f"{_named('data', data, choices)} ({modality.name})" if data else modality.name
    for group in GROUPS:
        listed = group.replace("train_protocol", "protocol")
        target = _target(parts.get(group))
        if target is None or target in _targets(modality, listed, choices):
            continue
        others = [each for each in modalities() if target in _targets(each, listed, choices)]
        if not others:
            continue  # of a plug-in, or named with trust=
        name = _named(listed, target, choices).replace(listed, group, 1)
        if group == "protocol" and not others[0].fits["data"]:
            raise ConfigError(
                f"{name} draws its own {others[0].name} and takes no data; start from experiment=copy, repeat_copy or "
                "associative_recall, and leave out data=."
            )
        offered = group == listed and modality.fits[listed]  # no choice of conf/ goes to train_protocol=
        offer = f"choose {_any(listed, modality)}" if offered else f"leave out {group}="
        raise ConfigError(f"{name} is for {others[0].name} and does not go with {what}; {offer}.")


def _any(listed: str, modality: Modality) -> str:
    names = modality.fits[listed]
    return f"{listed}={', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else f"{listed}={names[0]}"


def _target(node: Any) -> str | None:
    target = node.get("_target_") if isinstance(node, Mapping) else None
    return target if isinstance(target, str) else None


def _targets(modality: Modality, group: str, choices: Choices) -> set[str]:
    nodes = choices.get(group, {})
    # a plug-in lists dotted names, which conf/ does not have
    return {str(nodes[name].get("_target_")) if name in nodes else name for name in modality.fits.get(group, ())}


def _named(group: str, target: str | None, choices: Choices) -> str:
    """`group=choice`, as it is typed."""
    names = [name for name, node in choices.get(group, {}).items() if node.get("_target_") == target]
    return f"{group}={names[0]}" if names else f"{group} {excerpt(target)}"
