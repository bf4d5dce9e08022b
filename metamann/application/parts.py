"""The parts of a run, each plain data, and the objects that are built from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metamann.application.construct import construct
from metamann.application.trust import GROUP_OF, offered
from metamann.errors import ConfigError, excerpt
from metamann.hardware import TensorsFit
from metamann.modalities.choosing import modality_of
from metamann.modalities.modality import Modality
from metamann.training.log import note

MODULES = ("encoder", "memory", "learner", "adapter")


class Parts(NamedTuple):
    """What a run is made of.

    Attributes:
        nodes: plain data by name: `data`, `protocol`, `train_protocol`, `encoder`, `memory`, `learner`, `adapter`.
        trust: what the user trusts beside conf/ and installed plug-ins.

    Examples:
        >>> parts = Parts({"data": choice("data", "strokes"), "protocol": choice("protocol", "stream", ways=3)})
        >>> parts.build("protocol").max_ways
        3
    """

    nodes: Mapping[str, Any]
    trust: Sequence[str] = ()

    @property
    def modality(self) -> Modality:
        """The kind of input.

        Raises:
            ConfigError: if parts do not go together, with what does.
        """
        return modality_of(self.nodes, offered())

    def build(self, part: str, **extra: Any) -> Any:
        """The object that a part describes; see `metamann.modalities.modality.Build`.

        Raises:
            ConfigError: if a class is not trusted, or does not take these arguments.
            MetamannError: what the object itself refuses.
            OSError: if a file that it reads cannot be read.
        """
        node = self.nodes.get(part)
        if not isinstance(node, Mapping):
            raise ConfigError(f"there is no {part}; choose one of conf/{GROUP_OF[part]}/ with {part}=NAME.")
        if part in MODULES:
            with TensorsFit():
                return construct(node, part, self.trust, extra)
        return construct(node, part, self.trust, extra)

    def protocols(self) -> tuple[Any, Any]:
        """The protocol, and the one of training: the same but for `train_protocol`, or one of its own."""
        training = self.nodes.get("train_protocol") or {}
        if "_target_" not in training:
            training = changed(self.nodes["protocol"], training, "train_protocol")
        return self.build("protocol"), construct(training, "train_protocol", self.trust, {})

    def data(self, modality: Modality) -> Any:
        """The data, read; what was found in them is said."""
        splits = modality.read(self.build)
        for each in splits.notes:
            note(each)
        return splits

    def adapted(self, learner: Any) -> Any:
        """The learner in its adapter, if there is one."""
        return self.build("adapter", learner=learner) if self.nodes.get("adapter") else learner

    def replaced(self, changes: Mapping[str, Any]) -> Parts:
        """The parts with some of them replaced, where a change names a class, or else some of their keys changed.

        Raises:
            ConfigError: if a part has no such key.
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
        name: of the choice.
        changes: keys to set.

    Raises:
        ConfigError: if there is no such choice, it has no such key, or it takes settings of other parts.

    Examples:
        >>> choice("memory", "keyvalue_bounded", slots=16)["slots"]
        16
    """
    known = offered().get(group, {})
    if name not in known:
        if name in offered()["adapter"]:
            raise ConfigError(f"{group}={name} is an adapter of a trained learner: write adapter={name}.")
        raise ConfigError(f"there is no {group}={excerpt(name)}; choose {', '.join(known)}.")
    node = known[name]
    if "defaults" in node or any(isinstance(value, str) and "${" in value for value in node.values()):
        raise ConfigError(
            f"{group}={name} takes settings of other parts; compose it with them: metamann.settings({group}={name!r})."
        )
    return changed(node, changes, group)


def changed(node: Mapping[str, Any], changes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A copy of a part with some of its keys changed, in nested parts too.

    Raises:
        ConfigError: if it has no such key.
    """
    copy = dict(node)
    for key, value in changes.items():
        if key not in copy:
            known = ", ".join(str(each) for each in copy if each != "_target_")
            raise ConfigError(f"{name}.{excerpt(key)} is no setting of {copy.get('_target_', name)}; it has {known}.")
        nested = isinstance(value, Mapping) and isinstance(copy[key], Mapping) and "_target_" not in value
        copy[key] = changed(copy[key], value, f"{name}.{key}") if nested else value
    return copy
