"""One task from two files of a user: the support and the query."""

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
        support: file of labelled sentences, in any format that `read_sentences` knows.
        query: file of sentences to tag, labelled or not.
        options: for both files.

    Raises:
        DataError: if a file cannot be read, a line of it is bad, or the support has no entity.
    """
    support_file, query_file = (read_sentences(Path(path).expanduser(), options) for path in (support, query))
    types = sorted({span.type for sentence in support_file.sentences for span in sentence.spans})
    if not types:
        raise DataError(f"support={support} has no entity to learn from ({support_file.read_as}); label some.")
    query_types = Counter(span.type for sentence in query_file.sentences for span in sentence.spans)
    lacking = Counter({type_: count for type_, count in query_types.items() if type_ not in types})
    notes = list(dict.fromkeys((*support_file.notes, *query_file.notes)))
    if lacking:
        named = ", ".join(f"{type_} ({count:,})" for type_, count in lacking.most_common())
        notes.append(
            f"{lacking.total():,} entities of the query count as O, the support lacks their types: {excerpt(named)}"
        )
    name = f"{Path(support).name} to {Path(query).name}"
    splits = fixed_splits(name, test=[FixedEpisode(support_file.sentences, query_file.sentences, tuple(types))])
    test = dataclasses.replace(splits.test, labelled=any(type_ in types for type_ in query_types))
    return dataclasses.replace(splits, test=test, notes=tuple(notes))
