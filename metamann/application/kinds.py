"""The type of every value of a configuration, checked against the annotations of the class that it builds."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from typing_extensions import Unpack

from metamann.errors import ConfigError, setting

WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    type(None): "null",
}


def check_kinds(node: Mapping[str, Any], where: str, find: Callable[[object], Any], given: Iterable[str] = ()) -> None:
    """Refuse arguments that the `_target_` of a node does not have, or that have another type, also in nested nodes.

    Args:
        node: plain configuration of an object.
        where: its key.
        find: returns the class of a `_target_`; refuses classes that are not trusted.
        given: names of further arguments.

    Raises:
        ConfigError: with the key and its type.
    """
    arguments: Mapping[str, Any] = {}
    hints: Mapping[str, Any] = {}
    if "_target_" in node:
        target = find(node["_target_"])
        arguments, hints = _arguments(target)
    surplus = [key for key in given if arguments and key not in arguments]
    if surplus:
        raise ConfigError(
            f"{node['_target_']} does not fit this run (it takes no {surplus[0]}); choose another {where}=, or data "
            "and a protocol that go with it."
        )
    for key, value in node.items():
        name = f"{where}.{key}"
        if key.startswith("_"):
            continue
        if arguments and key not in arguments:
            raise ConfigError(f"{name} is no setting of {node['_target_']}; it has {', '.join(arguments)}.")
        if isinstance(value, Mapping):
            check_kinds(value, name, find)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for number, item in enumerate(value):
                if isinstance(item, dict):
                    check_kinds(item, f"{name}[{number}]", find)
        elif key in hints and not _fits(value, hints[key]):
            raise ConfigError(f"{name}={setting(value)} must be {_in_words(hints[key])}.")


def _arguments(target: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The arguments of a callable, empty if it takes any, and their annotations as far as they can be resolved."""
    try:
        parameters = inspect.signature(target).parameters
        function = target if inspect.isfunction(target) or "__init__" not in vars(target) else target.__init__
        hints = typing.get_type_hints(function)
    except (TypeError, ValueError, NameError):  # implemented in C, or annotated with imports for type checkers
        return {}, {}
    rest = next((name for name, parameter in parameters.items() if parameter.kind is parameter.VAR_KEYWORD), None)
    if rest is None:
        return parameters, hints
    if get_origin(hints.get(rest)) is not Unpack:
        return {}, hints
    # keywords of a TypedDict
    options = typing.get_type_hints(get_args(hints.pop(rest))[0])
    return {**{name: parameter for name, parameter in parameters.items() if name != rest}, **options}, {
        **hints,
        **options,
    }


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in inner)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in inner)
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    if hint in (int, float):
        number = isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
        return number and (isinstance(value, int) or math.isfinite(typing.cast(float, value)))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        kind = inner[0] if inner else Any
        return isinstance(value, Sequence) and not isinstance(value, str) and all(_fits(item, kind) for item in value)
    if hint is Path:
        return isinstance(value, str)
    # an object, which is built from a nested node
    return hint in (Any, object) or not isinstance(hint, type)


def _in_words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(option) for option in inner)
    if origin is Literal:
        return " or ".join(map(str, inner))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return "a list" + (f", each {_in_words(inner[0])}" if inner else "")
    return WORDS.get(hint, f"a node that builds a {getattr(hint, '__name__', hint)}")
