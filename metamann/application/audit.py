"""Audits: the contracts of data, sampler and learner, checked on real episodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metamann.application.caller import PYTHON, Caller
from metamann.application.directory import check_no_run, save_settings
from metamann.application.opening import new_directory, open_directory
from metamann.application.origin import origin
from metamann.application.report import results
from metamann.application.run import Run
from metamann.application.settings import AuditSettings, plain
from metamann.checks.finding import Finding, markdown
from metamann.checks.learners import audit_learner
from metamann.checks.samplers import audit_sampler
from metamann.checks.tasks import audit_tasks_apart
from metamann.data.plain_files import write_json, write_text


def audit_run(
    run: Run,
    settings: AuditSettings | None = None,
    directory: str | Path | None = None,
    *,
    caller: Caller = PYTHON,
) -> list[Finding]:
    """Audit the data of a run, their sampler, and its learner; write `audit.md` and `audit.json`.

    Args:
        run: a trained run.
        settings: which episodes are checked.
        directory: for the results; None creates one below `outputs/`.
        caller: see `metamann.train`.

    Raises:
        ConfigError: if the run has no episodes of new classes.
    """
    settings = settings or AuditSettings()

    def findings() -> list[Finding]:
        opened_run = run.opened(settings)
        splits = opened_run.splits()
        make = opened_run.make_sampler(splits)
        audited = run.modality.audit(splits, make, settings.episodes)
        sampler = make()
        return [*audited, *audit_learner(opened_run.trained((sampler.protocol,)), sampler, settings.answered)]

    return _audit(findings, settings, directory, caller)


def audit_code(
    make_sampler: Callable[[], Any],
    settings: AuditSettings | None = None,
    directory: str | Path | None = None,
    *,
    make_test_sampler: Callable[[], Any] | None = None,
    make_learner: Callable[[], Any] | None = None,
    caller: Caller = PYTHON,
) -> list[Finding]:
    """Audit your own sampler and learner; write `audit.md` and `audit.json`.

    Args:
        make_sampler: returns a new sampler, the same at every call.
        settings: which episodes are checked.
        directory: for the results; None creates one below `outputs/`.
        make_test_sampler: returns the sampler of the test classes, which the first one must not share.
        make_learner: returns the learner.
        caller: see `metamann.train`.

    Returns:
        A finding for each check.

    Examples:
        >>> from metamann.data.images.strokes import strokes
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> from metamann.episodes.sampler import Sampler
        >>> store = strokes(alphabets=[1, 1, 1]).train
        >>> settings = AuditSettings(episodes=20)
        >>> findings = audit_code(lambda: Sampler(store, NWayKShot(ways=2, shots=1, queries=1)), settings)
        >>> [finding.check for finding in findings if finding.outcome == "fail"]
        []
    """
    settings = settings or AuditSettings()

    def findings() -> list[Finding]:
        audited = audit_sampler(make_sampler, settings.episodes)
        if make_test_sampler is not None:
            audited.append(audit_tasks_apart(make_sampler(), make_test_sampler(), settings.episodes))
        if make_learner is not None:
            audited += audit_learner(make_learner(), make_sampler(), settings.answered)
        return audited

    return _audit(findings, settings, directory, caller)


def _audit(
    findings: Callable[[], list[Finding]], settings: AuditSettings, directory: str | Path | None, caller: Caller
) -> list[Finding]:
    started = time.monotonic()
    with open_directory(directory or new_directory("audit")) as path:
        check_no_run(path)
        save_settings(path, plain(settings), caller.files, ".hydra")
        audited = findings()
        write_text(path / "audit.md", "\n".join(markdown(audited)) + "\n")
        seconds = round(time.monotonic() - started)
        record = {**origin(caller.line), "seconds": seconds, "findings": [finding._asdict() for finding in audited]}
        write_json(path / "audit.json", record)
        lines = [f"{finding.outcome:9}{finding.check}: {finding.evidence}" for finding in audited]
        failed = sum(finding.outcome == "fail" for finding in audited)
        results.info("\n".join([*lines, f"{failed} of {len(audited)} checks failed, {seconds} s"]))
        return audited
