"""The parts of a run as plain data, and the objects that are built from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metamann.application.construct import construct
from metamann.application.trust import GROUP_OF, conf_choices
from metamann.errors import ConfigError, excerpt
from metamann.hardware import TensorsFit
from metamann.modalities.choosing import modality_of
from metamann.modalities.modality import Modality
from metamann.training.log import note

MODULES = ("encoder", "memory", "learner", "adapter")


class Parts(NamedTuple):
    """The parts of a run.

    Attributes:
        nodes: plain data by name: `data`, `protocol`, `train_protocol`, `encoder`, `memory`, `learner`, `adapter`.
        trust: what the user trusts, besides conf/ and installed plug-ins.

    Examples:
        >>> parts = Parts({"data": choice("data", "strokes"), "protocol": choice("protocol", "stream", ways=3)})
        >>> parts.build("protocol").max_ways
        3
    """

    nodes: Mapping[str, Any]
    trust: Sequence[str] = ()

    @property
    def modality(self) -> Modality:
        """The modality of the parts.

        Raises:
            ConfigError: if parts are not compatible; the message names parts that are.
        """
        return modality_of(self.nodes, conf_choices())

    def build(self, part: str, **extra: Any) -> Any:
        """Build the object that a part describes; see `metamann.modalities.modality.Build`.

        Raises:
            ConfigError: if a class is not trusted, or does not take these arguments.
            MetamannError: raised by the object itself.
            OSError: if the object cannot read a file.
        """
        node = self.nodes.get(part)
        if not isinstance(node, Mapping):
            raise ConfigError(f"there is no {part}; choose one of conf/{GROUP_OF[part]}/ with {part}=NAME.")
        if part in MODULES:
            with TensorsFit():
                return construct(node, part, self.trust, extra)
        return construct(node, part, self.trust, extra)

    def protocols(self) -> tuple[Any, Any]:
        """The protocol and the training protocol, which differ in the settings of `train_protocol`."""
        training = self.nodes.get("train_protocol") or {}
        if "_target_" not in training:
            training = changed(self.nodes["protocol"], training, "train_protocol")
        return self.build("protocol"), construct(training, "train_protocol", self.trust, {})

    def data(self, modality: Modality) -> Any:
        """Read the data, and log notes on them."""
        splits = modality.read(self.build)
        for text in splits.notes:
            note(text)
        return splits

    def adapted(self, learner: Any) -> Any:
        """The learner in its adapter, or without one itself."""
        return self.build("adapter", learner=learner) if self.nodes.get("adapter") else learner

    def replaced(self, changes: Mapping[str, Any]) -> Parts:
        """The parts with changes: a change that names a class replaces the part, any other changes keys of the part.

        Raises:
            ConfigError: if a part does not have a key.
        """
        nodes = dict(self.nodes)
        for part, change in changes.items():
            if change is None:
                continue
            if isinstance(change, str):
                change = choice(part, change)
            whole = "_target_" in change or not nodes.get(part)
            nodes[part] = dict(change) if whole else changed(nodes[part], change, part)
        return self._replace(nodes=nodes)


def choice(group: str, name: str, **changes: Any) -> dict[str, Any]:
    """A choice of conf/ as a part: `choice("data", "folder", path="pets")`.

    Args:
        group: `data`, `protocol`, `adapter` and so on.
        name: name of the choice.
        changes: keys to set.

    Raises:
        ConfigError: if the choice or a key does not exist, or the choice uses settings of other parts.

    Examples:
        >>> choice("memory", "keyvalue_bounded", slots=16)["slots"]
        16
    """
    known = conf_choices().get(group, {})
    if name not in known:
        if name in conf_choices()["adapter"]:
            raise ConfigError(f"{group}={name} is an adapter of a trained learner: write adapter={name}.")
        raise ConfigError(f"there is no {group}={excerpt(name)}; choose {', '.join(known)}.")
    node = known[name]
    if "defaults" in node or any(isinstance(value, str) and "${" in value for value in node.values()):
        raise ConfigError(
            f"{group}={name} takes settings of other parts; compose it with them: metamann.settings({group}={name!r})."
        )
    return changed(node, changes, group)


def changed(node: Mapping[str, Any], changes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A copy of a part with some keys changed, also in nested parts.

    Raises:
        ConfigError: if the part does not have a key.
    """
    copy = dict(node)
    for key, value in changes.items():
        if key not in copy:
            known = ", ".join(str(known_key) for known_key in copy if known_key != "_target_")
            raise ConfigError(f"{name}.{excerpt(key)} is no setting of {copy.get('_target_', name)}; it has {known}.")
        nested = isinstance(value, Mapping) and isinstance(copy[key], Mapping) and "_target_" not in value
        copy[key] = changed(copy[key], value, f"{name}.{key}") if nested else value
    return copy
