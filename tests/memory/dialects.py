"""Options of the memories with slots: those that every test starts from, and the branches of the formulas."""

from __future__ import annotations

import itertools
from typing import Any

from metamann.memory.scores import SCORES

Options = dict[str, Any]

BASE: dict[str, Options] = {
    "additive": {
        "item_width": 4,
        "slots": 6,
        "width": 8,
        "hidden": 5,
        "score": "dot",
        "strength": None,
        "query": "input",
        "controller": "lstm",
        "initial_memory": "learned",
        "write_gradient": "local",
        "shortcut": True,
    },
    "dnc": {"item_width": 4, "slots": 6, "width": 4, "heads": 2, "hidden": 5},
    "lrua": {
        "item_width": 4,
        "slots": 6,
        "width": 4,
        "heads": 2,
        "hidden": 5,
        "controller": "lstm",
        "written": "add",
        "least_used": "per_head",
        "zeroed": "all",
        "address_on": "after",
        "usage_decay": 0.95,
        "cosine_epsilon": "root",
        "strength": 10.0,
        "shortcut": True,
    },
    "ntm": {
        "item_width": 4,
        "slots": 6,
        "width": 4,
        "heads": 2,
        "write_heads": 1,
        "shift_range": 1,
        "initial_memory": "constant",
        "controller": "lstm",
        "hidden": 5,
        "shortcut": True,
    },
}
# an additive memory whose writes depend on the controller alone, with the gradient of the full formulas
BARE: Options = {"shortcut": False, "write_gradient": "full"}
DIALECTS: dict[str, list[Options]] = {
    "additive": [
        *(
            {"score": score, "controller": controller, "initial_memory": initial}
            for score, controller, initial in itertools.product(SCORES, ("lstm", "gru"), ("learned", "random", "zeros"))
        ),
        *({**BARE, "score": score} for score in SCORES),
        *({**BARE, "score": score, "query": "controller"} for score in ("additive", "multiplicative")),
        *({**BARE, "score": score, "query": "controller", "width": 5} for score in ("dot", "cosine")),
        {"strength": 3.0},
        {"score": "additive", "strength": 3.0},
        {"controller": "feedforward"},
        {"item_width": None},
        {"slots": 1},
    ],
    "dnc": [{}, {"links": False}, {"heads": 1}, {"heads": 3, "slots": 3}, {"slots": 1}],
    "lrua": [
        {},
        {"written": "key", "shortcut": False},
        {
            "written": "key",
            "shortcut": False,
            "strength": None,
            "zeroed": "one",
            "item_width": None,
            "usage_decay": 0.99,
        },
        {"shortcut": False},
        *({"least_used": used, "zeroed": rows} for used in ("per_head", "shared") for rows in ("one", "all")),
        {"least_used": "threshold", "zeroed": "one"},
        {"address_on": "before"},
        {"cosine_epsilon": "added"},
        {"strength": None},
        {"controller": "gru"},
        {"item_width": None},
        {"usage_decay": 0.99},
        {"heads": 1},
        {"heads": 3, "slots": 3},
    ],
    "ntm": [
        {},
        {"shortcut": False},
        {"heads": 4, "write_heads": 2},
        {"heads": 1, "write_heads": 3, "shortcut": False, "item_width": None},
        {"shift_range": 2},
        {"shift_range": 0, "shortcut": False},
        {"initial_memory": "random"},
        {"initial_memory": "learned"},
        {"controller": "feedforward"},
    ],
    "ntm_input": [{}, {"heads": 1, "item_width": None}],
}


def option_id(options: Any) -> str | None:
    """Name of a test parameter: its options."""
    if not isinstance(options, dict):
        return None
    return "-".join(f"{name}={value}" for name, value in options.items()) or "default"
