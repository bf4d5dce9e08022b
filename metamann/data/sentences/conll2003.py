"""CoNLL-2003, English [TKS03]: news, 4 types; 14,041 / 3,250 / 3,453 sentences.

The text is under an agreement with its owner, so nothing is downloaded.

References:
    [TKS03] Tjong Kim Sang and De Meulder, Introduction to the CoNLL-2003 Shared Task, 2003.
"""

from __future__ import annotations

from metamann.data.files import local_file
from metamann.data.sentences.columns import column_splits
from metamann.data.sentences.store import SentenceSplits


def conll2003() -> SentenceSplits:
    """Read the four-column files `eng.train`, `eng.testa` (validation) and `eng.testb` (test), which are IOB1.

    Raises:
        DataError: if files are missing or not what was published.
    """
    train, val, test = (
        local_file(f"conll2003/{name}", "the English files of the CoNLL-2003 shared task")
        for name in ("eng.train", "eng.testa", "eng.testb")
    )
    return column_splits("conll2003", train, val, test, "space", "IOB1")
