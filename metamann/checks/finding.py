"""The outcome of a check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

# standard errors; at five, a correct sampler fails a check in one of some million audits
TOO_MANY_ERRORS = 5.0
NO_DIFFERENCE = 1e-6  # of shares computed in float32


class Finding(NamedTuple):
    """The outcome of one check.

    Attributes:
        check: the contract, in words.
        outcome: `pass`; `fail`; `declared`, a known weakness that is documented; `skipped`, it does not apply.
        evidence: the observation behind the outcome.

    Examples:
        >>> finding = passes("support and query are disjoint", True, "400 episodes")
        >>> print(markdown([finding])[-1])
        | support and query are disjoint | pass | 400 episodes |
    """

    check: str
    outcome: Literal["pass", "fail", "declared", "skipped"]
    evidence: str


def passes(check: str, holds: bool, evidence: str) -> Finding:
    """A finding that passes or fails."""
    return Finding(check, "pass" if holds else "fail", evidence)


def markdown(findings: Sequence[Finding]) -> list[str]:
    """A Markdown table of findings, one row for each."""
    rows = ["| " + " | ".join(cell.replace("|", r"\|") for cell in finding) + " |" for finding in findings]
    return ["| check | outcome | evidence |", "| --- | --- | --- |", *rows]


def errors_above(values: np.ndarray, expected: float | np.ndarray) -> float:
    """The number of standard errors by which the mean over episodes exceeds its expected value.

    Args:
        values: `episodes`, NaN where an episode has no value.
        expected: value of their mean, or one for each episode.

    Returns:
        0 if fewer than two episodes have a value; plus or minus infinity if all differ by the same amount.
    """
    excess = values - expected
    excess = excess[~np.isnan(excess)]
    if len(excess) < 2 or np.abs(excess).max() < NO_DIFFERENCE:
        return 0.0
    error = excess.std(ddof=1) / np.sqrt(len(excess))
    return float(excess.mean() / error) if error > 0 else float(np.sign(excess.mean()) * np.inf)
