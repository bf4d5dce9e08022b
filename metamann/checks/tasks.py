"""Do the tasks of meta-training reach what is tested? For samplers whose splits cannot be looked into."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metamann.checks.finding import Finding, passes
from metamann.checks.samplers import AnySampler, identities
from metamann.data.store import looks, pixels_digest
from metamann.episodes.episode import Episode


def audit_tasks_apart(train: AnySampler, test: AnySampler, episodes: int = 400) -> Finding:
    """Deal episodes of both, and look for items that both hold; images also turned and mirrored.

    Args:
        train: deals what is trained on.
        test: deals what is tested on.
        episodes: of each. A leak shows once an item is met on both sides: the more episodes, the surer.
    """
    known = {name for inputs in _inputs(train, episodes) for each in identities(inputs) for name in each}
    turnable = getattr(getattr(test, "store", None), "turnable", True)
    tested: dict[str, set[str]] = {}  # every item in all its forms
    for inputs in _inputs(test, episodes):
        for forms in _forms(inputs, turnable):
            tested.setdefault(min(forms), forms)
    met = sum(not known.isdisjoint(forms) for forms in tested.values())
    evidence = f"{met} of {len(tested)} items dealt for testing are dealt for training: {episodes} episodes of each"
    return passes("tasks of meta-training do not reach what is tested", not met, evidence)


def _inputs(sampler: AnySampler, episodes: int) -> Iterator[Any]:
    for index in range(episodes):
        batch = sampler.batch([index])
        yield from (batch.support.inputs, batch.query.inputs) if isinstance(batch, Episode) else (batch.inputs,)


def _forms(inputs: Any, turnable: bool) -> Iterator[set[str]]:
    """What each item is: by its own words, or in all the ways in which an image can be turned and mirrored."""
    if turnable and not hasattr(inputs, "identities"):
        for image in inputs.flatten(0, 1):
            yield {pixels_digest(look).hex() for look in looks(image)}
    else:
        yield from ({name} for each in identities(inputs) for name in each)
