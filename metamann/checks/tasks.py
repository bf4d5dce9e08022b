"""Checks that the tasks of meta-training contain no test items, for samplers whose splits are not accessible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metamann.checks.finding import Finding, passes
from metamann.checks.samplers import AnySampler, identities
from metamann.data.store import looks, pixels_digest
from metamann.episodes.episode import Episode


def audit_tasks_apart(train: AnySampler, test: AnySampler, episodes: int = 400) -> Finding:
    """Draw episodes of both samplers, and look for items in both; images are also compared rotated and mirrored.

    Args:
        train: sampler of the tasks of meta-training.
        test: sampler of the test tasks.
        episodes: number of episodes of each sampler. A leak is detected if both draw the same item, so that more
            episodes detect smaller leaks.

    Examples:
        >>> from metamann.data.images.strokes import strokes
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> from metamann.episodes.sampler import Sampler
        >>> splits = strokes(alphabets=(2, 2, 2), characters=3, drawings=4, size=12)
        >>> train, test = (Sampler(split, NWayKShot(ways=5, queries=1)) for split in (splits.train, splits.test))
        >>> audit_tasks_apart(train, test, episodes=10).outcome
        'pass'
    """
    train_items = {name for inputs in _inputs(train, episodes) for episode in identities(inputs) for name in episode}
    turnable = getattr(getattr(test, "store", None), "turnable", True)
    test_items: dict[str, set[str]] = {}  # the forms of each item
    for inputs in _inputs(test, episodes):
        for forms in _forms(inputs, turnable):
            test_items.setdefault(min(forms), forms)
    shared = sum(not train_items.isdisjoint(forms) for forms in test_items.values())
    evidence = (
        f"{shared} of {len(test_items)} items dealt for testing are dealt for training: {episodes} episodes of each"
    )
    return passes("tasks of meta-training do not reach what is tested", not shared, evidence)


def _inputs(sampler: AnySampler, episodes: int) -> Iterator[Any]:
    for index in range(episodes):
        batch = sampler.batch([index])
        yield from (batch.support.inputs, batch.query.inputs) if isinstance(batch, Episode) else (batch.inputs,)


def _forms(inputs: Any, turnable: bool) -> Iterator[set[str]]:
    """The identities of each item: of an image those of all its rotations and mirror images."""
    if turnable and not hasattr(inputs, "identities"):
        for image in inputs.flatten(0, 1):
            yield {pixels_digest(look).hex() for look in looks(image)}
    else:
        yield from ({name} for episode in identities(inputs) for name in episode)
