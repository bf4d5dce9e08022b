"""Few-NERD [D21], the INTER setting: 36 / 13 / 17 fine types of Wikipedia, disjoint between the splits.

Tags are types without prefix: neighbours of one type are one entity. Entities of the types of another split stand as O.
Of the training part only the sentences that other projects have published are read: 24,722, or 19 %, with all 36
types; they were tagged anew as IOB2 with types `coarse_fine`, which is undone here.

References:
    [D21] Ding et al., Few-NERD: A Few-shot Named Entity Recognition Dataset, 2021.
"""

from __future__ import annotations

import json
from pathlib import Path

from metamann.data.files import public_file
from metamann.data.sentences.columns import read_columns
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeSplits, fixed_splits, tagged_sentences
from metamann.data.sentences.store import Sentence, SentenceSplits, SentenceStore, Span
from metamann.data.text_files import read_text
from metamann.errors import DataError, MetamannError

GITHUB = "https://raw.githubusercontent.com"
CARRIER = f"{GITHUB}/antonioloison/structshot/e5549d081eee8bc7d452074228e038135aa86f5f/data/fewnerd"
OFFICIAL = f"{GITHUB}/ksboy/FewShotNER/ca727133da3b1fffbd70fcdef180cfac348bcd59/data/mydata"
EPISODES = f"{GITHUB}/YiandLi/PrototypeNER_v3/ccd465d14e4b2a69ed1e5d7e25b86ba8bdf9a0f9/data/episode-data/inter"
# path in the data folder: where it is published, start of its sha256
TRAIN = {
    "inter_train_subset/dev.txt": (CARRIER, "79c5e0f708ea4fd8"),
    "inter_train_subset/test.txt": (CARRIER, "fa426070828fdadf"),
}
VAL = {"inter/val-inter-new.txt": (OFFICIAL, "468cc0505b0ff2f0")}
TEST = {"inter/test-inter.txt": (OFFICIAL, "a4300f52ade59164")}
RELEASED = {"episode-data/inter/dev_5_1.jsonl": (EPISODES, "0e46ceae38f5ec8f")}
SUBSET_NOTE = "train is 19 % of the INTER training sentences (24,722 of 130,112)"


def fewnerd() -> SentenceSplits:
    """Read the INTER setting.

    Raises:
        DataError: if files are missing or not what was published.
    """
    subset = [read_columns(path, "tab", "IOB2") for path in _paths(TRAIN)]
    val, test = (read_columns(path, "tab", "IO") for path in _paths(VAL | TEST))
    train = tuple(_as_published(sentence) for file in subset for sentence in file.sentences)
    return SentenceSplits(
        "fewnerd/inter",
        SentenceStore("fewnerd/inter/train", train),
        SentenceStore("fewnerd/inter/val", val.sentences),
        SentenceStore("fewnerd/inter/test", test.sentences),
        notes=(SUBSET_NOTE, *(note for file in (*subset, val, test) for note in file.notes)),
    )


def fewnerd_episodes() -> FixedEpisodeSplits:
    """Read the 1,000 released episodes of the INTER validation types: 5 ways, 1 to 2 shots, lower-cased.

    Raises:
        DataError: if the file is missing or not what was published.
    """
    (path,) = _paths(RELEASED)
    lines = read_text(path).split("\n")
    episodes = [_episode(path, row, line) for row, line in enumerate(lines, 1) if line.strip()]
    return fixed_splits("fewnerd/inter/released", val=episodes)


def _paths(files: dict[str, tuple[str, str]]) -> list[Path]:
    return [
        public_file(f"fewnerd/{relative}", f"{folder}/{Path(relative).name}", sha256)
        for relative, (folder, sha256) in files.items()
    ]


def _as_published(sentence: Sentence) -> Sentence:
    """`coarse_fine` becomes `coarse-fine`, and neighbours of one type one span."""
    spans: list[Span] = []
    for start, end, type_ in sentence.spans:
        type_ = type_.replace("_", "-", 1)
        if spans and (spans[-1].end, spans[-1].type) == (start, type_):
            start = spans.pop().start
        spans.append(Span(start, end, type_))
    return sentence._replace(spans=tuple(spans))


def _episode(path: Path, row: int, line: str) -> FixedEpisode:
    where = f"{path}, line {row}"
    try:
        content = json.loads(line)
        support, query = (
            tagged_sentences(where, content[part]["word"], content[part]["label"], "IO")
            for part in ("support", "query")
        )
        if not all(isinstance(type_, str) for type_ in content["types"]):
            raise TypeError("types must be names")
        return FixedEpisode(support, query, tuple(content["types"]))
    except MetamannError:  # of one sentence
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is no episode of Few-NERD ({error!r}); replace the file.") from error
