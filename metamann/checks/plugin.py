"""A pytest plug-in: the audit of a sampler and a learner as a fixture for any test suite.

A test calls `metamann_audit(sampler=make_my_sampler, learner=MyLearner())`; see docs/guides/comparing.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def metamann_audit() -> Callable[..., None]:
    """Audit the sampler that the function `sampler` makes; the test fails with the findings if a check fails.

    Optional arguments are a `learner`, `splits`, and `test_sampler`, a function that makes the sampler of the test
    tasks, which must share no item with those of `sampler`.
    """
    # pytest loads the plug-in in every project, so that large modules are imported on first use
    from metamann.checks.finding import Finding, markdown
    from metamann.checks.learners import audit_learner
    from metamann.checks.samplers import audit_sampler
    from metamann.checks.splits import audit_splits
    from metamann.checks.tasks import audit_tasks_apart

    def audit(
        sampler: Callable[[], Any],
        learner: Any = None,
        splits: Any = None,
        test_sampler: Callable[[], Any] | None = None,
        episodes: int = 400,
        answered: int = 100,
    ) -> None:
        findings: list[Finding] = audit_splits(splits) if splits is not None else []
        findings += audit_sampler(sampler, episodes)
        if test_sampler is not None:
            findings.append(audit_tasks_apart(sampler(), test_sampler(), episodes))
        if learner is not None:
            findings += audit_learner(learner, sampler(), answered)
        failures = [finding for finding in findings if finding.outcome == "fail"]
        if failures:
            pytest.fail("\n".join(markdown(failures)), pytrace=False)

    return audit
