"""Options that memories with a matrix of rows, or with a controller, have in common: defined and checked once.

A memory takes them as keywords, `**options: Unpack[...]`, and fills in the defaults; see `filled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, TypeVar

from metamann.errors import check_size


class RowOptions(TypedDict, total=False):
    """Of a matrix of rows.

    Attributes:
        slots: rows N of the memory, 128.
        width: of a row; 40, unless a memory says otherwise.
    """

    slots: int
    width: int


class ControllerOptions(TypedDict, total=False):
    """Of a recurrent controller.

    Attributes:
        item_width: features are projected to this width and normalised, 128; None takes them as they are, as papers do.
        controller: `lstm`, `gru` or `feedforward`.
        hidden: width of the controller, 200.
    """

    item_width: int | None
    controller: Literal["lstm", "gru", "feedforward"]
    hidden: int


class MatrixOptions(RowOptions, ControllerOptions, total=False):
    """Of a controller beside a matrix of rows."""


class ControlledOptions(MatrixOptions, total=False):
    """Of a controller that steers heads on a matrix of rows.

    Attributes:
        heads: read heads, 4.
        shortcut: let key and written vector see the item and the previous pair directly, beside the controller, and
            start as one projection of both, so that an untrained network already recalls the labels it wrote. Without
            it, as in papers, the controller must learn to carry each item for one step to bind it to its label.
    """

    heads: int
    shortcut: bool


DEFAULTS: Mapping[str, Any] = {
    "item_width": 128, "slots": 128, "width": 40, "heads": 4, "controller": "lstm", "hidden": 200, "shortcut": True,
}  # fmt: skip
Options = TypeVar("Options", RowOptions, ControllerOptions, MatrixOptions, ControlledOptions)


def filled(kind: type[Options], options: Options, width: int = DEFAULTS["width"]) -> Options:
    """All options of a kind: those of the caller, and defaults for the rest.

    Args:
        kind: one of the classes above.
        options: keywords of the caller.
        width: of a row, if the caller does not set it.

    Raises:
        ConfigError: if a size is below 1; those of the controller are checked by `Controller` and `item_projection`.
        TypeError: if there is no such option.
    """
    if unknown := options.keys() - kind.__annotations__.keys():
        raise TypeError(
            f"unexpected keyword argument '{min(unknown)}'; the options are {', '.join(kind.__annotations__)}"
        )
    complete: Any = {name: {**DEFAULTS, "width": width, **options}[name] for name in kind.__annotations__}
    for name in ("slots", "width", "heads"):
        if name in complete:
            check_size(f"memory.{name}", complete[name])
    return complete  # type: ignore[no-any-return]  # the names and kinds of the class
