"""Checks that meta-training, validation and test are disjoint: by the names of classes, by pixels and by text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from metamann.checks.finding import Finding, passes
from metamann.data.sentences.fixed_episodes import FixedEpisodeSplits, FixedEpisodeStore
from metamann.data.sentences.store import PAIRS, PARTS, SentenceSplits, SentenceStore
from metamann.data.store import ClassStore, DataSplits, pixels_digest, plain_name, upright_name, upright_names

# of the smaller split; published data sets repeat some headings, dates and legends, too few to change a result
MAX_SHARED_TEXTS = 0.05


def audit_splits(splits: DataSplits | SentenceSplits | FixedEpisodeSplits) -> list[Finding]:
    """Check that no class, drawing, alphabet, type or sentence of one split is in another.

    Examples:
        >>> from metamann.data.images.strokes import strokes
        >>> for check, outcome, _ in audit_splits(strokes(alphabets=(2, 1, 1), characters=2, drawings=2)):
        ...     print(f"{check}: {outcome}")
        classes of the splits are disjoint, rotated copies too: pass
        no drawing stands in two splits, turned or mirrored: pass
        alphabets of the splits are disjoint: pass
    """
    return [CHECKS[name](splits) for name in splits.audited]


def _classes_apart(splits: DataSplits) -> Finding:
    shared = _shared({part: upright_names(splits.split(part)) for part in PARTS})
    counts = [splits.split(part).n_classes for part in PARTS]
    return passes("classes of the splits are disjoint, rotated copies too", not shared, shared or f"{counts} classes")


def _drawings_apart(splits: DataSplits) -> Finding:
    upright = {part: _upright(splits.split(part)) for part in PARTS}
    leaks = []
    for first, second in PAIRS:
        digests, other = splits.split(first).row_of.keys(), upright[second]
        rows = [
            row for row in range(len(other.items)) if not digests.isdisjoint(map(pixels_digest, other.looks_of(row)))
        ]
        if rows:
            example = plain_name(other.class_names[other.class_of(rows[0])])
            leaks.append(f"{len(rows)} drawings of {second} are in {first}, such as one of {example}")
    evidence = f"{sum(len(store.items) for store in upright.values()):,} upright drawings compared by their pixels"
    return passes("no drawing stands in two splits, turned or mirrored", not leaks, "; ".join(leaks) or evidence)


def _alphabets_apart(splits: DataSplits) -> Finding:
    check = "alphabets of the splits are disjoint"
    groups = {part: {plain_name(upright_name(name)) for name in splits.split(part).groups} - {""} for part in PARTS}
    if not any(groups.values()):
        return Finding(check, "skipped", "the classes have no groups")
    shared = _shared(groups)
    if shared and not splits.disjoint_groups:
        return Finding(check, "declared", f"the split is by class: {shared}")
    return passes(check, not shared, shared or f"{[len(names) for names in groups.values()]} alphabets")


def _types_apart(splits: SentenceSplits | FixedEpisodeSplits) -> Finding:
    check = "entity types of the splits are disjoint"
    shared = _shared({part: set(splits.split(part).types) for part in PARTS})
    if shared and not splits.disjoint_types:
        return Finding(check, "declared", f"{splits.shared_by}: {shared}")
    return passes(check, not shared, shared or f"{[len(splits.split(part).types) for part in PARTS]} types")


def _texts_apart(splits: SentenceSplits | FixedEpisodeSplits) -> Finding:
    check = "no sentence stands in two splits"
    texts = {part: _texts(splits.split(part)) for part in PARTS}
    shared = _shared(texts)
    if not shared:
        return Finding(check, "pass", f"{[len(distinct) for distinct in texts.values()]} distinct sentences")
    share = max(
        len(texts[one] & texts[other]) / max(1, min(len(texts[one]), len(texts[other]))) for one, other in PAIRS
    )
    return Finding(check, "declared" if share <= MAX_SHARED_TEXTS else "fail", f"{shared}; {100 * share:.2f} % at most")


def _shared(names: Mapping[str, set[str]]) -> str:
    """The names that two splits share, in words; empty if they are disjoint."""
    pairs = [(one, other, names[one] & names[other]) for one, other in PAIRS]
    return "; ".join(f"{one} and {other} share {len(both)}, such as {min(both)}" for one, other, both in pairs if both)


def _texts(store: SentenceStore | FixedEpisodeStore) -> set[str]:
    return {" ".join(sentence.tokens) for sentence in store.sentences}


def _upright(store: ClassStore) -> ClassStore:
    """The store without its rotated and mirrored classes, which are copies of the others."""
    upright = [number for number, name in enumerate(store.class_names) if upright_name(name) == name]
    return store.subset(store.name, upright) if 0 < len(upright) < store.n_classes else store


CHECKS: dict[str, Callable[[Any], Finding]] = {  # by name, see the attribute `audited` of splits
    "classes": _classes_apart,
    "drawings": _drawings_apart,
    "alphabets": _alphabets_apart,
    "types": _types_apart,
    "texts": _texts_apart,
}
