"""SNIPS in cross-validation episodes [H20]: 7 folds, each with one domain of commands for test and one for validation.

100 episodes a domain; 20 query sentences in the 1-shot episodes, 10 in the 5-shot ones. The support holds every slot of
its domain at least K times. The folds test GetWeather, PlayMusic, AddToPlaylist, RateBook, SearchScreeningEvent,
BookRestaurant and SearchCreativeWork, in this order.

References:
    [H20] Hou et al., Few-shot Slot Tagging with Collapsed Dependency Transfer and Label-enhanced Task-adaptive
        Projection Network, ACL 2020.
"""

from __future__ import annotations

import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

from metamann.data.files import local_file
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeSplits, fixed_splits, tagged_sentences
from metamann.errors import DataError

FOLDS = 7
PARTS = {"train": "train", "val": "valid", "test": "test"}
MEMBERS = {1: "xval/xval_snips/snips_{part}_{fold}.json", 5: "xval/xval_snips_shot_5/snips-{part}-{fold}-shot-5.json"}
SOURCE = "github.com/AtmaHou/PromptSlotTagging (the folders of original_data/snips, packed below xval)"


def snips(shots: int = 1, fold: int = 1) -> FixedEpisodeSplits:
    """Read the episodes of one fold.

    Args:
        shots: 1 or 5.
        fold: 1 to 7.

    Raises:
        DataError: if the archive is missing or damaged, or there are no such episodes.
    """
    if shots not in MEMBERS:
        raise DataError(f"SNIPS has no {shots}-shot episodes; set data.shots to 1 or 5.")
    if fold not in range(1, FOLDS + 1):
        raise DataError(f"SNIPS has no fold {fold}; set data.fold to 1 to {FOLDS}.")
    archive = local_file("snips_xval/xval_snips.tar.xz", SOURCE)
    members = {part: MEMBERS[shots].format(part=published, fold=fold) for part, published in PARTS.items()}
    episodes = {
        part: _episodes(f"{archive}, {members[part]}", content) for part, content in _contents(archive, members).items()
    }
    return fixed_splits(f"snips/{shots}shot/fold{fold}", **episodes)


def _contents(archive: Path, members: dict[str, str]) -> dict[str, Any]:
    contents = {}
    try:
        with tarfile.open(archive, "r:xz") as opened:
            for part, member in members.items():
                file = opened.extractfile(member)
                contents[part] = json.loads(file.read() if file else b"")
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{archive} cannot be read ({error}); replace it.") from error
    return contents


def _episodes(where: str, domains: Any) -> list[FixedEpisode]:
    try:
        episodes = []
        for domain, rows in domains.items():
            for number, row in enumerate(rows):
                support, query = (
                    tagged_sentences(f"{where}, {domain} {number}", row[part]["seq_ins"], row[part]["seq_outs"], "IOB2")
                    for part in ("support", "query")
                )
                types = {span.type for sentence in support for span in sentence.spans}
                episodes.append(FixedEpisode(support, query, tuple(sorted(types))))
        return episodes
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where} holds no episodes of SNIPS ({error!r}); replace it.") from error
