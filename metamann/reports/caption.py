"""Captions of figures: the data set, the protocol and the number of episodes in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metamann.evaluation.evaluator import Evaluator

PROTOCOLS = {
    "nway_kshot": "{ways}-way {shots}-shot",
    "online_stream": "streams of {ways} classes, {steps} steps",
    "lake_runs": "Lake's one-shot runs",
    "greedy_sentences": "{ways}-way {shots}-shot sentences",
    "fixed_sentences": "fixed episodes",
    "supervised": "supervised tagging",
}


def caption(evaluator: Evaluator) -> str:
    """The data set, split, protocol and number of episodes of an evaluation."""
    protocol = protocol_name(evaluator.describe())
    return f"{evaluator.data} {evaluator.split}, {protocol}, {len(evaluator.tasks):,} episodes"


def protocol_name(description: Mapping[str, Any]) -> str:
    """A protocol in a few words.

    Args:
        description: result of its method `describe`. For a protocol of a plug-in the result is its `name`.

    Examples:
        >>> protocol_name({"name": "nway_kshot", "ways": [5, 20], "shots": 1})
        '5 to 20-way 1-shot'
    """
    values = {
        key: " to ".join(map(str, value)) if isinstance(value, list) else value for key, value in description.items()
    }
    return PROTOCOLS.get(description["name"], "{name}").format(**values).replace("_", " ")
