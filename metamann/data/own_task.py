"""One task from a user's own files: learn from one, tag the other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from metamann.data.columns import read_columns, read_text
from metamann.data.fixed_episodes import FixedEpisode, FixedEpisodeSplits, fixed_splits
from metamann.data.jsonl import read_jsonl
from metamann.data.sentences import Sentence
from metamann.data.tokens import tokenise
from metamann.errors import DataError


def own_task(support: str, query: str) -> FixedEpisodeSplits:
    """The task of two files, as the one episode of the test split.

    Args:
        support: labelled: `.jsonl` with spans of characters, or a column file of any other name.
        query: to be tagged: the same, labelled or not, for the scores; or `.txt`, a sentence in every line.

    Raises:
        DataError: if a file cannot be read, a line of it is bad, spans are misaligned, or the support has no entity.
    """
    told, asked = (_read(Path(path).expanduser()) for path in (support, query))
    types = sorted({span.type for sentence in told for span in sentence.spans})
    if not types:
        raise DataError(f"support={support} has no entity to learn from; label some.")
    splits = fixed_splits(f"{Path(support).name} to {Path(query).name}", test=[FixedEpisode(told, asked, tuple(types))])
    labelled = Path(query).suffix != ".txt"
    return dataclasses.replace(splits, test=dataclasses.replace(splits.test, labelled=labelled))


def _read(path: Path) -> tuple[Sentence, ...]:
    if path.suffix == ".txt":
        lines = ((line, tokenise(line)) for line in read_text(path).split("\n"))
        sentences = tuple(
            Sentence(tuple(line[start:end] for start, end in tokens), ()) for line, tokens in lines if tokens
        )
        if not sentences:
            raise DataError(f"{path} holds no sentences; give a file with one in every line.")
        return sentences
    if path.suffix != ".jsonl":
        return read_columns(path).sentences
    file = read_jsonl(path)
    if file.misaligned:
        raise DataError(
            f"{len(file.misaligned)} spans of {path} are no run of tokens: {file.misaligned[0]}. Repair them."
        )
    return file.sentences
