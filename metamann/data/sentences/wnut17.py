"""WNUT-17 [D17]: rare and emerging names in posts and comments, 6 types; 3,394 / 1,009 / 1,287 sentences.

References:
    [D17] Derczynski et al., Results of the WNUT2017 Shared Task on Novel and Emerging Entity Recognition, 2017.
"""

from __future__ import annotations

from metamann.data.files import public_file
from metamann.data.sentences.columns import column_splits
from metamann.data.sentences.store import SentenceSplits

PUBLIC = "https://raw.githubusercontent.com/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603"
SHA256 = {
    "wnut17train.conll": "731820e13f71af32",
    "emerging.dev.conll": "e053b752b8155113",
    "emerging.test.annotated": "2aa79b764e56ec92",
}


def wnut17() -> SentenceSplits:
    """Read the three files, which are IOB2.

    Raises:
        DataError: if files are missing or not what was published.
    """
    train, val, test = (public_file(f"wnut17/{name}", f"{PUBLIC}/{name}", sha256) for name, sha256 in SHA256.items())
    return column_splits("wnut17", train, val, test, "tab", "IOB2")
