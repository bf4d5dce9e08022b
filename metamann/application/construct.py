"""From plain data to objects: trusted classes, called with arguments of the annotated types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metamann.application.kinds import check_kinds
from metamann.application.trust import GROUP_OF, trusted_class
from metamann.errors import ConfigError, MetamannError, excerpt, setting, shorten
from metamann.hardware import out_of_memory


def construct(node: Mapping[str, Any], part: str, trust: Sequence[str], extra: Mapping[str, Any]) -> Any:
    """Build the object that a node describes, with its nested objects.

    Args:
        node: plain configuration of an object; every dictionary in it with a `_target_` is a nested object.
        part: part of the run, which decides what is trusted, see `trusted_class`, and is its name in errors.
        trust: what the user trusts, besides the list.
        extra: arguments that are not in the configuration.

    Raises:
        ConfigError: if a class is not trusted, does not take these arguments, or cannot be built; if possible, before
            anything is built.
        MetamannError: raised by an object itself.
        OSError: if an object cannot read a file.
    """
    if "_target_" not in node:
        raise ConfigError(f"{part} names no class; choose one of conf/{GROUP_OF[part]}/ with {part}=NAME.")
    check_kinds(node, part, lambda target: trusted_class(target, part, trust), extra)
    return _construct(node, part, part, trust, extra)


def _construct(node: Mapping[str, Any], key: str, part: str, trust: Sequence[str], extra: Mapping[str, Any]) -> Any:
    def built(value: Any, where: str) -> Any:
        if isinstance(value, list):
            return [built(item, f"{where}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, dict) and "_target_" in value:
            return _construct(value, where, part, trust, {})
        if isinstance(value, dict):
            return {name: built(item, f"{where}.{name}") for name, item in value.items()}
        return value

    called = trusted_class(node["_target_"], part, trust)
    arguments = {name: built(value, f"{key}.{name}") for name, value in node.items() if name != "_target_"}
    arguments |= extra
    try:
        inspect.signature(called).bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{key}: {error}; correct the configuration of {excerpt(node['_target_'])}.") from error
    try:
        return called(**arguments)
    except OSError:
        raise
    except Exception as error:  # a class of any package may raise anything; the cause is chained
        raise _refusal(error, node, key, GROUP_OF[part]) from error


def _refusal(error: Exception, node: Mapping[str, Any], key: str, group: str) -> Exception:
    """The error for an object that cannot be built, with its fix."""
    if isinstance(error, MetamannError):
        # an object names its settings by its group, also as a nested object
        return type(error)(re.sub(rf"\b{group}\.(?=\w)", f"{key}.", str(error))) if key != group else error
    if out_of_memory(error):
        largest = max(_numbers(node, key), key=lambda number: number[1], default=(f"the sizes of {key}", None))
        size = largest[0] if largest[1] is None else f"{largest[0]}={largest[1]}"
        return ConfigError(f"{key} needs more memory than this machine has ({excerpt(error)}); lower {size}.")
    given = ", ".join(f"{name}={setting(value)}" for name, value in node.items() if not name.startswith("_"))
    return ConfigError(
        f"{key} cannot be built ({type(error).__name__}: {shorten(error, 100)}); correct its settings: "
        f"{shorten(given, 120)}."
    )


def _numbers(node: Any, key: str) -> list[tuple[str, int]]:
    """Keys and values of all whole numbers in a node."""
    if isinstance(node, Mapping):
        return [number for name, value in node.items() for number in _numbers(value, f"{key}.{name}")]
    return [(key, node)] if isinstance(node, int) and not isinstance(node, bool) else []
