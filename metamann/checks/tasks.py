"""Do the tasks of meta-training contain test items? For samplers whose splits are not accessible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metamann.checks.finding import Finding, passes
from metamann.checks.samplers import AnySampler, identities
from metamann.data.store import looks, pixels_digest
from metamann.episodes.episode import Episode


def audit_tasks_apart(train: AnySampler, test: AnySampler, episodes: int = 400) -> Finding:
    """Draw episodes of both, and look for items that both contain; images also rotated and mirrored.

    Args:
        train: draws the tasks of meta-training.
        test: draws the tasks of the test.
        episodes: of each sampler. A leak is detected once both have drawn one item; more episodes detect smaller leaks.
    """
    known = {name for inputs in _inputs(train, episodes) for episode in identities(inputs) for name in episode}
    turnable = getattr(getattr(test, "store", None), "turnable", True)
    tested: dict[str, set[str]] = {}  # every item in all its forms
    for inputs in _inputs(test, episodes):
        for forms in _forms(inputs, turnable):
            tested.setdefault(min(forms), forms)
    shared = sum(not known.isdisjoint(forms) for forms in tested.values())
    evidence = f"{shared} of {len(tested)} items dealt for testing are dealt for training: {episodes} episodes of each"
    return passes("tasks of meta-training do not reach what is tested", not shared, evidence)


def _inputs(sampler: AnySampler, episodes: int) -> Iterator[Any]:
    for index in range(episodes):
        batch = sampler.batch([index])
        yield from (batch.support.inputs, batch.query.inputs) if isinstance(batch, Episode) else (batch.inputs,)


def _forms(inputs: Any, turnable: bool) -> Iterator[set[str]]:
    """The identities of each item: of an image one for each way to rotate and mirror it."""
    if turnable and not hasattr(inputs, "identities"):
        for image in inputs.flatten(0, 1):
            yield {pixels_digest(look).hex() for look in looks(image)}
    else:
        yield from ({name} for episode in identities(inputs) for name in episode)
