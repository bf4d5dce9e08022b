"""Checks that the labels in the episodes of any sampler cannot be guessed without the items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from metamann.checks.finding import TOO_MANY_ERRORS, Finding, errors_above, passes
from metamann.data.store import pixels_digest
from metamann.episodes.episode import PADDING, Episode, Examples, Stream
from metamann.episodes.sentences.tagging import TagScheme, read_classes
from metamann.episodes.text import Text

REDRAWS = 8  # episodes that are drawn again in other ways


class AnySampler(Protocol):
    """The interface of a sampler to audit; `class_ids(index)`, the class of each class number, is optional."""

    def batch(self, indices: Sequence[int]) -> Episode | Stream:
        """The episodes with these indices."""


def audit_sampler(make: Callable[[], AnySampler], episodes: int = 400) -> list[Finding]:
    """Check that episodes depend on their index alone, and that labels cannot be guessed without the items.

    Args:
        make: makes a new sampler, with the same settings and seed at every call.
        episodes: number of episodes in which to look for patterns in the labels.

    Examples:
        >>> import torch
        >>> from metamann.data.store import ClassStore
        >>> from metamann.episodes.items.protocols import NWayKShot
        >>> from metamann.episodes.sampler import Sampler
        >>> store = ClassStore.from_classes("rows", list(torch.rand(6, 3, 8)), list("abcdef"), groups=[""] * 6)
        >>> findings = audit_sampler(lambda: Sampler(store, NWayKShot(ways=5, queries=2), seed=0), episodes=50)
        >>> {finding.outcome for finding in findings}
        {'pass'}
    """
    sampler = make()
    expected: list[Any] = []
    labels: list[np.ndarray] = []
    shared: int | None = None
    for index in range(episodes):
        batch = sampler.batch([index])
        if index < REDRAWS:
            expected += _contents(batch)
        labels.append(_labels_in_order(batch, scheme_of(sampler)))
        if isinstance(batch, Episode):
            shared = (shared or 0) + _items_of_both(batch)
    findings = [_same_episodes(make, expected)]
    if shared is not None:
        evidence = f"{shared} items of a query stand in its support" if shared else f"{episodes} episodes"
        findings.append(passes("support and query are disjoint", not shared, evidence))
    return [*findings, _not_from_class_id(sampler, episodes), _not_from_position(labels), _not_from_order(labels)]


def scheme_of(sampler: Any) -> TagScheme:
    """The tag scheme of a sampler of sentences; `io` for other samplers."""
    scheme: TagScheme = getattr(getattr(sampler, "protocol", None), "scheme", "io")
    return scheme


def identities(inputs: Tensor | Text) -> list[list[str]]:
    """The identity of each item of each episode: from a method of the inputs, or else a digest of their numbers."""
    if hasattr(inputs, "identities"):
        names: list[list[str]] = inputs.identities()
        return names
    return [[pixels_digest(item).hex() for item in episode] for episode in inputs]


def _same_episodes(make: Callable[[], AnySampler], expected: Sequence[Any]) -> Finding:
    """Draw the episodes again with new samplers: backwards, in one batch, from the middle, and in threads."""
    indices = list(range(len(expected)))
    backwards = make()
    redrawn = {"drawn backwards": [_contents(backwards.batch([index]))[0] for index in indices[::-1]][::-1]}
    redrawn["in one batch"] = _contents(make().batch(indices))
    half = len(expected) // 2
    redrawn["resumed in the middle"] = [*expected[:half], *_contents(make().batch(indices[half:]))]
    for workers in (1, 3):
        threaded: Any = make()
        if hasattr(threaded, "batches"):
            parts = threaded.batches([indices[:3], indices[3:]], workers)
            redrawn[f"with {workers} workers"] = [content for part in parts for content in _contents(part)]
    wrong = [how for how, contents in redrawn.items() if contents != [*expected]]
    evidence = f"others when {', '.join(wrong)}" if wrong else f"{len(expected)} episodes, {', '.join(redrawn)}"
    return passes("the index alone decides what an episode holds", not wrong, evidence)


def _items_of_both(episode: Episode) -> int:
    """The number of distinct items that are in both support and query."""
    support, query = ({name for name, _ in _items(part)[0]} for part in (episode.support, episode.query))
    return len(support & query)


def _not_from_class_id(sampler: AnySampler, episodes: int) -> Finding:
    """Guess the label of a class from its rank among the classes of the episode, and from other episodes."""
    check = "labels cannot be guessed from the class"
    ids = [_class_ids(sampler, index) for index in range(episodes)]
    episode_ids = [class_ids for class_ids in ids if class_ids is not None]
    if len(episode_ids) < len(ids):
        return Finding(check, "skipped", "give the sampler a method class_ids(index) to have it checked")
    chance = np.array([1 / len(class_ids) for class_ids in episode_ids])
    ranks = [np.argsort(np.argsort(class_ids)) for class_ids in episode_ids]
    by_rank = np.array([np.mean(rank == np.arange(len(rank))) for rank in ranks])
    half = len(episode_ids) // 2
    label_counts: dict[int, dict[int, int]] = {}
    for class_ids in episode_ids[:half]:
        for label, class_id in enumerate(class_ids):
            counts = label_counts.setdefault(class_id, {})
            counts[label] = counts.get(label, 0) + 1
    guess = {class_id: max(counts, key=counts.__getitem__) for class_id, counts in label_counts.items()}
    correct = [
        [guess[class_id] == label for label, class_id in enumerate(class_ids) if class_id in guess]
        for class_ids in episode_ids[half:]
    ]
    by_counts = np.array([np.mean(episode) if episode else np.nan for episode in correct])
    return _guess_finding(check, {"rank": (by_rank, chance), "other episodes": (by_counts, chance[half:])})


def _not_from_position(labels: Sequence[np.ndarray]) -> Finding:
    """Guess the label at each position from the labels at this position in the first half of the episodes."""
    half, longest = len(labels) // 2, max(map(len, labels))
    counts = np.zeros((longest, 1 + max(int(episode.max(initial=0)) for episode in labels)), dtype=np.int64)
    for episode in labels[:half]:
        positions = np.flatnonzero(episode >= 0)
        counts[positions, episode[positions]] += 1
    guess = counts.argmax(1)
    shares, chance = [], []
    for episode in labels[half:]:
        positions = np.flatnonzero(episode >= 0)
        true, guesses = episode[positions], guess[positions]
        shares.append(np.mean(guesses == true) if len(positions) else np.nan)
        # the accuracy of the same guesses if the labels were shuffled
        chance.append(np.mean([np.mean(true == label) for label in guesses]) if len(positions) else np.nan)
    return _guess_finding(
        "labels cannot be guessed from the position", {"position": (np.array(shares), np.array(chance))}
    )


def _not_from_order(labels: Sequence[np.ndarray]) -> Finding:
    """Check that neighbours of one class are as frequent as in a shuffled order."""
    observed, shuffled = [], []
    for episode in labels:
        classes = episode[episode >= 0]
        if len(classes) < 3:
            continue
        counts = np.bincount(classes)
        observed.append(np.mean(classes[1:] == classes[:-1]))
        shuffled.append((counts * (counts - 1)).sum() / (len(classes) * (len(classes) - 1)))
    errors = abs(errors_above(np.array(observed), np.array(shuffled)))
    evidence = f"{_percent(observed)} of neighbours are of one class, {_percent(shuffled)} if shuffled"
    return passes("labels cannot be guessed from the order", errors < TOO_MANY_ERRORS, evidence)


def _guess_finding(check: str, accuracies: dict[str, tuple[np.ndarray, np.ndarray]]) -> Finding:
    """The finding from the accuracy of guesses, and the accuracy by chance, by the source of the guess."""
    holds = all(errors_above(accuracy, chance) < TOO_MANY_ERRORS for accuracy, chance in accuracies.values())
    evidence = ", ".join(f"from its {source} {_percent(accuracy)}" for source, (accuracy, _) in accuracies.items())
    return passes(check, holds, f"{evidence} are guessed, {_percent(next(iter(accuracies.values()))[1])} by chance")


def _percent(values: Sequence[float] | np.ndarray) -> str:
    return f"{100 * float(np.nanmean(values)):.1f} %" if len(values) else "none"


def _class_ids(sampler: Any, index: int) -> np.ndarray | None:
    """The class of each class number of an episode; None if the sampler has no method `class_ids`."""
    return np.asarray(sampler.class_ids(index)) if hasattr(sampler, "class_ids") else None


def _labels_in_order(episodes: Episode | Stream, scheme: TagScheme) -> np.ndarray:
    """The class of each labelled item of an episode, in order; of a sentence that of its first entity, or negative."""
    labels = (episodes.labels if isinstance(episodes, Stream) else episodes.support.labels)[0].numpy()
    if labels.ndim == 1:
        return labels
    classes, _ = read_classes(scheme, labels)
    first = (classes >= 0).argmax(1)
    return classes[np.arange(len(classes)), first] if classes.shape[1] else np.full(len(classes), -1)


def _contents(episodes: Episode | Stream) -> list[Any]:
    """Items, labels, number of classes and codes of each episode of a batch, without padding."""
    parts = [episodes.support, episodes.query] if isinstance(episodes, Episode) else [Examples(*episodes[:2])]
    items = [_items(part) for part in parts]
    ways, codes = episodes.classes.ways, episodes.classes.codes
    return [([part[row] for part in items], codes[row, : int(number)].tolist()) for row, number in enumerate(ways)]


def _items(examples: Examples) -> list[list[tuple[str, list[int]]]]:
    """Identity and label of each item of each episode, without padding."""
    return [
        [
            (identity, label[label != PADDING].tolist())
            for identity, label in zip(of_episode, labels, strict=True)
            if bool((label != PADDING).any())
        ]
        for of_episode, labels in zip(identities(examples.inputs), examples.labels, strict=True)
    ]
