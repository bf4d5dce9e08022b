"""Fixed support sets [D22]: ten of CoNLL-2003, WNUT-17 and GUM each, 1 and 5 shots; the query is the whole test part.

Sampled as in [YK20]. Figures are the mean and the standard deviation over the ten.

References:
    [D22] Das et al., CONTaiNER: Few-Shot Named Entity Recognition via Contrastive Learning, ACL 2022.
    [YK20] Yang and Katiyar, Simple and Effective Few-Shot Named Entity Recognition with Structured Nearest Neighbor
        Learning, EMNLP 2020.
"""

from __future__ import annotations

from metamann.data.files import public_file
from metamann.data.sentences.columns import read_columns
from metamann.data.sentences.conll2003 import conll2003
from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeSplits, fixed_splits
from metamann.data.sentences.gum import gum
from metamann.data.sentences.wnut17 import wnut17
from metamann.errors import DataError

PUBLIC = (
    "https://raw.githubusercontent.com/psunlpgroup/CONTaiNER/f160ebc280ecafb6d3e567f048cada56d36c505e/"
    "data/domain-transfer-support-sets"
)
CORPORA = {"conll2003": ("conll", conll2003), "wnut17": ("wnut", wnut17), "gum": ("gum", gum)}
SETS = 10


def support_sets(corpus: str = "conll2003", shots: int = 1) -> FixedEpisodeSplits:
    """Ten episodes that share their query, all in the test split.

    Args:
        corpus: conll2003, wnut17 or gum.
        shots: 1 or 5.

    Raises:
        DataError: if files are missing or not what was published, or there are no such sets.
    """
    if corpus not in CORPORA:
        raise DataError(f"there are no support sets of '{corpus}'; set data.corpus to {', '.join(CORPORA)}.")
    if shots not in (1, 5):
        raise DataError(f"there are no support sets of {shots} shots; set data.shots to 1 or 5.")
    short, load = CORPORA[corpus]
    test = load().test
    episodes = []
    for number in range(SETS):
        name = f"samples-{short}-{shots}shot/{number}.txt"
        support = read_columns(public_file(f"support_sets/{name}", f"{PUBLIC}/{name}"), "tab", "IOB2").sentences
        episodes.append(FixedEpisode(support, test.sentences, test.types))
    return fixed_splits(f"support_sets/{corpus}/{shots}shot", test=episodes)
