"""The results of a run: `results.json` for programs, `results.md` for readers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamann.data.plain_files import to_json, write_json, write_text
from metamann.evaluation.metrics import Interval, in_percent

NOT_SCORED = "Nothing is scored: the query has no labels."


def write_results(
    run_directory: Path,
    protocol: Mapping[str, Any],
    episodes: int,
    seed: int,
    metrics: Mapping[str, Interval],
    context: Mapping[str, Any],
) -> str:
    """Write `results.json` and `results.md`.

    Args:
        run_directory: folder of the files.
        protocol: data set, split, and settings of the episodes.
        episodes: number of episodes.
        seed: of the task list.
        metrics: by name; empty if the query has no labels.
        context: origin of the numbers: checkpoint, task list hash, command, machine, commit.

    Returns:
        The Markdown.
    """
    content = {
        "protocol": dict(protocol),
        "episodes": episodes,
        "seed": seed,
        "metrics": {name: interval._asdict() for name, interval in metrics.items()},
        **context,
    }
    write_json(run_directory / "results.json", content)
    text = "\n".join(
        [
            *results_table(metrics),
            "",
            f"{episodes} episodes, task seed {seed}{'; the interval is 95 % over episodes' if metrics else ''}.",
            "",
            *(f"- {name}: {value}" for name, value in [*_flat(protocol), *_flat(context)]),
            "",
        ]
    )
    write_text(run_directory / "results.md", text)
    return text


def results_table(metrics: Mapping[str, Interval]) -> list[str]:
    """A Markdown table of metrics, in percent unless their names give a unit; if there are none, the reason.

    Examples:
        >>> results_table({"accuracy": Interval(0.981, 0.979, 0.983)})[-1]
        '| accuracy | 98.10 | 97.90 to 98.30 |'
    """
    if not metrics:
        return [NOT_SCORED]
    rows = [
        f"| {name} | {mean:.2f} | {low:.2f} to {high:.2f} |" for name, (mean, low, high) in in_percent(metrics).items()
    ]
    return ["| metric | mean % | 95 % interval |", "|---|---|---|", *rows]


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, to_json(value) if isinstance(value, dict | list) else value) for name, value in values.items()]
