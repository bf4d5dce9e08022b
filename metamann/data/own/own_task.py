"""One task from a user's own files: learn from one, tag the other."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from metamann.data.own.reader import ReadingOptions, read_sentences
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeSplits, fixed_splits
from metamann.errors import DataError, excerpt


def own_task(support: str, query: str, options: ReadingOptions | None = None) -> FixedEpisodeSplits:
    """The task of two files, as the one episode of the test split; labelled if the query has one of its types.

    Args:
        support: labelled, of any format that `read_sentences` knows.
        query: to be tagged: the same, labelled or not.
        options: for both files.

    Raises:
        DataError: if a file cannot be read, a line of it is bad, or the support has no entity.
    """
    told, asked = (read_sentences(Path(path).expanduser(), options) for path in (support, query))
    types = sorted({span.type for sentence in told.sentences for span in sentence.spans})
    if not types:
        raise DataError(f"support={support} has no entity to learn from ({told.read_as}); label some.")
    lacking = Counter(span.type for sentence in asked.sentences for span in sentence.spans if span.type not in types)
    notes = list(dict.fromkeys((*told.notes, *asked.notes)))
    if lacking:
        named = ", ".join(f"{type_} ({count:,})" for type_, count in lacking.most_common())
        notes.append(
            f"{lacking.total():,} entities of the query count as O, the support lacks their types: {excerpt(named)}"
        )
    name = f"{Path(support).name} to {Path(query).name}"
    splits = fixed_splits(name, test=[FixedEpisode(told.sentences, asked.sentences, tuple(types))])
    known = any(span.type in types for sentence in asked.sentences for span in sentence.spans)
    test = dataclasses.replace(splits.test, labelled=known)
    return dataclasses.replace(splits, test=test, notes=tuple(notes))
