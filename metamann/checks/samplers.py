"""Can a label be known without looking at the item? Checks of any sampler of episodes."""

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

REPEATED = 8  # episodes that are drawn again in other ways


class AnySampler(Protocol):
    """A sampler to audit. It may also have `class_ids(index)`, the class that each class number stands for."""

    def batch(self, indices: Sequence[int]) -> Episode | Stream:
        """The episodes of these indices."""


def audit_sampler(make: Callable[[], AnySampler], episodes: int = 400) -> list[Finding]:
    """Check that episodes depend on their index alone, and that labels follow from the items alone.

    Args:
        make: makes a new sampler, the same at every call.
        episodes: number of episodes in which to look for patterns in the labels.
    """
    sampler = make()
    expected: list[Any] = []
    labels: list[np.ndarray] = []
    shared: int | None = None
    for index in range(episodes):
        batch = sampler.batch([index])
        if index < REPEATED:
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
    """How the tags of a sampler of sentences are numbered."""
    scheme: TagScheme = getattr(getattr(sampler, "protocol", None), "scheme", "io")
    return scheme


def identities(inputs: Tensor | Text) -> list[list[str]]:
    """The identity of each item of each episode: by a method of the inputs, or as a digest of their numbers."""
    if hasattr(inputs, "identities"):
        names: list[list[str]] = inputs.identities()
        return names
    return [[pixels_digest(item).hex() for item in episode] for episode in inputs]


def _same_episodes(make: Callable[[], AnySampler], expected: Sequence[Any]) -> Finding:
    """Drawn again by new samplers: backwards, in one batch, by threads."""
    indices = list(range(len(expected)))
    backwards = make()
    again = {"drawn backwards": [_contents(backwards.batch([index]))[0] for index in indices[::-1]][::-1]}
    again["in one batch"] = _contents(make().batch(indices))
    half = len(expected) // 2
    again["resumed in the middle"] = [*expected[:half], *_contents(make().batch(indices[half:]))]
    for workers in (1, 3):
        threaded: Any = make()
        if hasattr(threaded, "batches"):
            parts = threaded.batches([indices[:3], indices[3:]], workers)
            again[f"with {workers} workers"] = [content for part in parts for content in _contents(part)]
    wrong = [how for how, contents in again.items() if contents != [*expected]]
    evidence = f"others when {', '.join(wrong)}" if wrong else f"{len(expected)} episodes, {', '.join(again)}"
    return passes("the index alone decides what an episode holds", not wrong, evidence)


def _items_of_both(episode: Episode) -> int:
    """Items of the query that stand in the support."""
    support, query = ({name for name, _ in _present(part)[0]} for part in (episode.support, episode.query))
    return len(support & query)


def _not_from_class_id(sampler: AnySampler, episodes: int) -> Finding:
    """Guess the number of a class from its identity: from its rank in the episode, and from other episodes."""
    check = "labels cannot be guessed from the class"
    ids = [_class_ids(sampler, index) for index in range(episodes)]
    known = [class_ids for class_ids in ids if class_ids is not None]
    if len(known) < len(ids):
        return Finding(check, "skipped", "give the sampler a method class_ids(index) to have it checked")
    chance = np.array([1 / len(class_ids) for class_ids in known])
    ranks = [np.argsort(np.argsort(class_ids)) for class_ids in known]
    by_rank = np.array([np.mean(rank == np.arange(len(rank))) for rank in ranks])
    half = len(known) // 2
    usual: dict[int, dict[int, int]] = {}
    for class_ids in known[:half]:
        for label, class_id in enumerate(class_ids):
            counts = usual.setdefault(class_id, {})
            counts[label] = counts.get(label, 0) + 1
    guess = {class_id: max(counts, key=counts.__getitem__) for class_id, counts in usual.items()}
    right = [
        [guess[class_id] == label for label, class_id in enumerate(class_ids) if class_id in guess]
        for class_ids in known[half:]
    ]
    by_habit = np.array([np.mean(episode) if episode else np.nan for episode in right])
    return _guessed(check, {"rank": (by_rank, chance), "other episodes": (by_habit, chance[half:])})


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
        present, guesses = episode[positions], guess[positions]
        shares.append(np.mean(guesses == present) if len(positions) else np.nan)
        # the accuracy of the same guesses if the labels were shuffled
        chance.append(np.mean([np.mean(present == label) for label in guesses]) if len(positions) else np.nan)
    return _guessed("labels cannot be guessed from the position", {"position": (np.array(shares), np.array(chance))})


def _not_from_order(labels: Sequence[np.ndarray]) -> Finding:
    """Are neighbours of one class more, or less, frequent than in a shuffled order?"""
    observed, shuffled = [], []
    for episode in labels:
        present = episode[episode >= 0]
        if len(present) < 3:
            continue
        counts = np.bincount(present)
        observed.append(np.mean(present[1:] == present[:-1]))
        shuffled.append((counts * (counts - 1)).sum() / (len(present) * (len(present) - 1)))
    errors = abs(errors_above(np.array(observed), np.array(shuffled)))
    evidence = f"{_percent(observed)} of neighbours are of one class, {_percent(shuffled)} if shuffled"
    return passes("labels cannot be guessed from the order", errors < TOO_MANY_ERRORS, evidence)


def _guessed(check: str, ways: dict[str, tuple[np.ndarray, np.ndarray]]) -> Finding:
    holds = all(errors_above(right, chance) < TOO_MANY_ERRORS for right, chance in ways.values())
    evidence = ", ".join(f"from its {how} {_percent(right)}" for how, (right, _) in ways.items())
    return passes(check, holds, f"{evidence} are guessed, {_percent(next(iter(ways.values()))[1])} by chance")


def _percent(values: Sequence[float] | np.ndarray) -> str:
    return f"{100 * float(np.nanmean(values)):.1f} %" if len(values) else "none"


def _class_ids(sampler: Any, index: int) -> np.ndarray | None:
    """The class that each class number of an episode stands for; None if the sampler cannot tell."""
    return np.asarray(sampler.class_ids(index)) if hasattr(sampler, "class_ids") else None


def _labels_in_order(episodes: Episode | Stream, scheme: TagScheme) -> np.ndarray:
    """Classes of the labelled items of one episode, in order, negative for none; of a sentence its first entity's."""
    labels = (episodes.labels if isinstance(episodes, Stream) else episodes.support.labels)[0].numpy()
    if labels.ndim == 1:
        return labels
    classes, _ = read_classes(scheme, labels)
    first = (classes >= 0).argmax(1)
    return classes[np.arange(len(classes)), first] if classes.shape[1] else np.full(len(classes), -1)


def _contents(episodes: Episode | Stream) -> list[Any]:
    """Items, labels, number of classes and codes of each episode of a batch, without padding."""
    parts = [episodes.support, episodes.query] if isinstance(episodes, Episode) else [Examples(*episodes[:2])]
    items = [_present(part) for part in parts]
    ways, codes = episodes.classes.ways, episodes.classes.codes
    return [([part[row] for part in items], codes[row, : int(number)].tolist()) for row, number in enumerate(ways)]


def _present(examples: Examples) -> list[list[tuple[str, list[int]]]]:
    """Identity and label of each item of each episode, without padding."""
    return [
        [
            (identity, label[label != PADDING].tolist())
            for identity, label in zip(of_episode, labels, strict=True)
            if bool((label != PADDING).any())
        ]
        for of_episode, labels in zip(identities(examples.inputs), examples.labels, strict=True)
    ]
