"""CrossNER [L21]: Wikipedia in five domains of 9 to 17 types, 100 or 200 training sentences.

Its copy of CoNLL-2003 has lost the borders between neighbours of one type; the original is in `conll2003`.

References:
    [L21] Liu et al., CrossNER: Evaluating Cross-Domain Named Entity Recognition, AAAI 2021.
"""

from __future__ import annotations

from metamann.data.files import public_file
from metamann.data.sentences.columns import column_splits
from metamann.data.sentences.store import SentenceSplits
from metamann.errors import DataError

PUBLIC = "https://raw.githubusercontent.com/zliucr/CrossNER/2e7ba2a7798c961e3f29fbc51252c5a8d40224bf/ner_data"
# train, dev, test
SHA256 = {
    "ai": ("484217a660f52927", "b47ffda6de5901a4", "7595ad386e0a9806"),
    "literature": ("0647e403a8504074", "99281a51943cf7e3", "77267f8b3e8afe99"),
    "music": ("3774c38e0ebbeb4b", "e256f1949df52a61", "c66e345f959ac655"),
    "politics": ("1d8be31abb584633", "4f1f30eb832f4c5f", "05cadc5e129d394f"),
    "science": ("8f6a26096cc7be67", "87ec141c7b41b3b5", "3616d59d4d2b9dbf"),
}


def crossner(domain: str = "ai") -> SentenceSplits:
    """Read the three files of a domain, which are IOB2.

    Args:
        domain: ai, literature, music, politics or science.

    Raises:
        DataError: if files are missing or not what was published, or there is no such domain.
    """
    if domain not in SHA256:
        raise DataError(f"CrossNER has no domain '{domain}'; set data.domain to {', '.join(SHA256)}.")
    names = [f"{domain}/{part}.txt" for part in ("train", "dev", "test")]
    train, val, test = (
        public_file(f"crossner/{name}", f"{PUBLIC}/{name}", sha256)
        for name, sha256 in zip(names, SHA256[domain], strict=True)
    )
    return column_splits(f"crossner/{domain}", train, val, test, "tab", "IOB2")
