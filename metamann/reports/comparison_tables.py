"""The table of a comparison, in Markdown, LaTeX, comma-separated values and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from metamann.evaluation.comparison import Compared

LEAST_P = 0.01  # resolution of p from these resamples, corrected for some dozens of comparisons
LATEX = str.maketrans(
    {character: f"\\{character}" for character in "%_&#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "<": "$<$"}
)


def as_record(row: Compared) -> dict[str, Any]:
    """A row in plain types, for JSON."""
    return {
        "name": row.name,
        "score": row.score._asdict(),
        "by_seed": list(row.by_seed),
        "difference": None if row.difference is None else row.difference._asdict(),
        "p_corrected": row.p,
        **row.facts,
    }


def cells(rows: Sequence[Compared], metric: str) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table as text: scores in percent, differences in percentage points."""
    facts = list(rows[0].facts)
    head = ["learner", f"{metric}, %", "seeds", "difference, points", "p, corrected", *facts]
    return head, [_row(row) for row in rows]


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def csv(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The table as comma-separated values; every cell is quoted."""
    return "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) + "\n" for line in [head, *body])


def latex(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The table in LaTeX, for the package booktabs."""

    def line(row: Sequence[str]) -> str:
        return " & ".join(cell.translate(LATEX) for cell in row) + r" \\" + "\n"

    columns = "l" + "r" * (len(head) - 1)
    rows = "".join(map(line, body))
    return (
        rf"\begin{{tabular}}{{{columns}}}" + "\n\\toprule\n" + line(head) + "\\midrule\n" + rows
        + "\\bottomrule\n\\end{tabular}\n"
    )  # fmt: skip


def _row(row: Compared) -> list[str]:
    mean = math.floor(round(10_000 * row.score.mean, 6)) / 100  # to two decimals, rounded down
    score = f"{mean:.2f} ± {50 * (row.score.high - row.score.low):.2f}"
    spread = f"{100 * min(row.by_seed):.2f} to {100 * max(row.by_seed):.2f}" if len(row.by_seed) > 1 else "1"
    if row.difference is None or row.p is None:
        difference = ["", ""]
    else:
        low, high = 100 * row.difference.low, 100 * row.difference.high
        difference = [f"{100 * row.difference.mean:+.2f} ({low:.2f} to {high:.2f})", _p(row.p)]
    return [row.name, score, spread, *difference, *map(_number, row.facts.values())]


def _p(value: float) -> str:
    return f"< {LEAST_P}" if value < LEAST_P else f"{value:.2f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:,.2f}"
