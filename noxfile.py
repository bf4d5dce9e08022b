"""The suite on every interpreter that is found: `nox`, or `nox -s tests-3.12 -- tests/memory`."""

from __future__ import annotations

import nox

nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests but the slow ones."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("pytest", "-n", "auto", *session.posargs)
