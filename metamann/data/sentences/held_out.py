"""Splits of a user's own sentences in which the types of val and test are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from metamann.data.sentences.store import PARTS, Sentence, SentenceSplits, SentenceStore
from metamann.data.shares import deal


def hold_out_types(
    name: str, sentences: Sequence[Sentence], shares: Sequence[float], seed: int, notes: Sequence[str] = ()
) -> SentenceSplits:
    """Distribute the types over train, val and test, and assign every text to one of them.

    A text is assigned to the split of its rarest type, so that rare types retain their sentences; texts without
    entities are distributed by the same shares. Entities of types of other splits are tagged O, as in Few-NERD; the
    notes count them.

    Args:
        name: of the data set.
        sentences: all of them.
        shares: of the types that train, val and test get; `(0, 0, 1)` puts all in test.
        seed: of the split.
        notes: of the reader.

    Raises:
        DataError: if there are not three shares that sum to 1.
        ConfigError: if the seed is not a whole number in range.
    """
    counts = Counter(span.type for sentence in sentences for span in sentence.spans)
    types = sorted(counts)
    part_of = {types[number]: part for part, numbers in deal(types, shares, seed).items() for number in numbers}
    types_of: dict[tuple[str, ...], set[str]] = {}
    for sentence in sentences:
        types_of.setdefault(sentence.tokens, set()).update(span.type for span in sentence.spans)
    home = {
        tokens: part_of[min(of_text, key=lambda type_: (counts[type_], type_))]
        for tokens, of_text in types_of.items()
        if of_text
    }
    without = [tokens for tokens, of_text in types_of.items() if not of_text]
    home |= {without[number]: part for part, numbers in deal(without, shares, seed).items() for number in numbers}

    parts: dict[str, list[Sentence]] = {part: [] for part in PARTS}
    hidden = 0
    for sentence in sentences:
        part = home[sentence.tokens]
        spans = tuple(span for span in sentence.spans if part_of[span.type] == part)
        hidden += len(sentence.spans) - len(spans)
        parts[part].append(sentence._replace(spans=spans))
    train, val, test = (SentenceStore(f"{name}/{part}", tuple(parts[part])) for part in PARTS)
    note = f"{hidden:,} of {counts.total():,} entities are of types of another split and stand as O"
    return SentenceSplits(name, train, val, test, notes=(*notes, note))
