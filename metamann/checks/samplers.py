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

REPEATED = 8  # episodes that are dealt again in other ways


class AnySampler(Protocol):
    """What can be audited. It may also have `class_ids(index)`: what each class number of an episode stands for."""

    def batch(self, indices: Sequence[int]) -> Episode | Stream:
        """The episodes of these indices."""


def audit_sampler(make: Callable[[], AnySampler], episodes: int = 400) -> list[Finding]:
    """Check that episodes are what their index says, and that labels follow from the items alone.

    Args:
        make: a fresh sampler, the same at every call.
        episodes: how many are dealt to look for rules in their labels.
    """
    sampler = make()
    expected: list[Any] = []
    labels: list[np.ndarray] = []
    shared: int | None = None
    for index in range(episodes):
        batch = sampler.batch([index])
        if index < REPEATED:
            expected += _contents(batch)
        labels.append(_told(batch, scheme_of(sampler)))
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
    """What each item of each episode is: what the inputs say themselves, or digests of their numbers."""
    if hasattr(inputs, "identities"):
        said: list[list[str]] = inputs.identities()
        return said
    return [[pixels_digest(item).hex() for item in each] for each in inputs]


def _same_episodes(make: Callable[[], AnySampler], expected: Sequence[Any]) -> Finding:
    """Dealt again by fresh samplers: backwards, in one batch, by threads."""
    numbers = list(range(len(expected)))
    again = {"asked backwards": [_contents(each)[0] for each in map(make().batch, [[n] for n in numbers[::-1]])][::-1]}
    again["in one batch"] = _contents(make().batch(numbers))
    half = len(expected) // 2
    again["resumed in the middle"] = [*expected[:half], *_contents(make().batch(numbers[half:]))]
    for workers in (1, 3):
        threaded: Any = make()
        if hasattr(threaded, "batches"):
            parts = threaded.batches([numbers[:3], numbers[3:]], workers)
            again[f"with {workers} workers"] = [content for part in parts for content in _contents(part)]
    wrong = [how for how, contents in again.items() if contents != [*expected]]
    evidence = f"others when {', '.join(wrong)}" if wrong else f"{len(expected)} episodes, {', '.join(again)}"
    return passes("the index alone decides what an episode holds", not wrong, evidence)


def _items_of_both(episode: Episode) -> int:
    """Items of the query that stand in the support."""
    support, query = ({name for name, _ in _present(part)[0]} for part in (episode.support, episode.query))
    return len(support & query)


def _not_from_class_id(sampler: AnySampler, episodes: int) -> Finding:
    """Guess the number of a class from what it stands for: from its rank in the episode, and from other episodes."""
    check = "labels cannot be guessed from the class"
    ids = [_class_ids(sampler, index) for index in range(episodes)]
    known = [each for each in ids if each is not None]
    if len(known) < len(ids):
        return Finding(check, "skipped", "give the sampler a method class_ids(index) to have it checked")
    chance = np.array([1 / len(each) for each in known])
    by_rank = np.array([np.mean(np.argsort(np.argsort(each)) == np.arange(len(each))) for each in known])
    half = len(known) // 2
    usual: dict[int, dict[int, int]] = {}
    for each in known[:half]:
        for number, name in enumerate(each):
            counts = usual.setdefault(name, {})
            counts[number] = counts.get(number, 0) + 1
    guess = {name: max(counts, key=counts.__getitem__) for name, counts in usual.items()}
    met = [[guess[name] == number for number, name in enumerate(each) if name in guess] for each in known[half:]]
    by_habit = np.array([np.mean(each) if each else np.nan for each in met])
    return _guessed(check, {"rank": (by_rank, chance), "other episodes": (by_habit, chance[half:])})


def _not_from_position(labels: Sequence[np.ndarray]) -> Finding:
    """Guess the label at each position from the labels that stood there in the first half of the episodes."""
    half, longest = len(labels) // 2, max(map(len, labels))
    counts = np.zeros((longest, 1 + max(int(each.max(initial=0)) for each in labels)), dtype=np.int64)
    for each in labels[:half]:
        told = np.flatnonzero(each >= 0)
        counts[told, each[told]] += 1
    guess = counts.argmax(1)
    shares, chance = [], []
    for each in labels[half:]:
        told = np.flatnonzero(each >= 0)
        shares.append(np.mean(guess[told] == each[told]) if len(told) else np.nan)
        # what any fixed guess hits, were the labels shuffled
        chance.append(np.mean([np.mean(each[told] == number) for number in guess[told]]) if len(told) else np.nan)
    return _guessed("labels cannot be guessed from the position", {"position": (np.array(shares), np.array(chance))})


def _not_from_order(labels: Sequence[np.ndarray]) -> Finding:
    """Are neighbours of one class more, or less, often than in a shuffled order?"""
    found, shuffled = [], []
    for each in labels:
        told = each[each >= 0]
        if len(told) < 3:
            continue
        counts = np.bincount(told)
        found.append(np.mean(told[1:] == told[:-1]))
        shuffled.append((counts * (counts - 1)).sum() / (len(told) * (len(told) - 1)))
    errors = abs(errors_above(np.array(found), np.array(shuffled)))
    evidence = f"{_percent(found)} of neighbours are of one class, {_percent(shuffled)} if shuffled"
    return passes("labels cannot be guessed from the order", errors < TOO_MANY_ERRORS, evidence)


def _guessed(check: str, ways: dict[str, tuple[np.ndarray, np.ndarray]]) -> Finding:
    holds = all(errors_above(right, chance) < TOO_MANY_ERRORS for right, chance in ways.values())
    evidence = ", ".join(f"from its {how} {_percent(right)}" for how, (right, _) in ways.items())
    return passes(check, holds, f"{evidence} are guessed, {_percent(next(iter(ways.values()))[1])} by chance")


def _percent(values: Sequence[float] | np.ndarray) -> str:
    return f"{100 * float(np.nanmean(values)):.1f} %" if len(values) else "none"


def _class_ids(sampler: Any, index: int) -> np.ndarray | None:
    """What each class number of an episode stands for."""
    return np.asarray(sampler.class_ids(index)) if hasattr(sampler, "class_ids") else None


def _told(episodes: Episode | Stream, scheme: TagScheme) -> np.ndarray:
    """Classes of the items that one episode tells, in order, negative for none; of a sentence its first entity's."""
    labels = (episodes.labels if isinstance(episodes, Stream) else episodes.support.labels)[0].numpy()
    if labels.ndim == 1:
        return labels
    classes, _ = read_classes(scheme, labels)
    first = (classes >= 0).argmax(1)
    return classes[np.arange(len(classes)), first] if classes.shape[1] else np.full(len(classes), -1)


def _contents(episodes: Episode | Stream) -> list[Any]:
    """What each episode of a batch holds, whatever its padding."""
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
