"""A mixture of corpora: every episode comes from one of them, and whole corpora are left out for validation and test.

A type belongs to its corpus: `PER` of two corpora are two types, `btc/PER` and `wikigold/PER`, because what annotators
were told to mark differs. Few-NERD has parts of its own, whose types are disjoint; all sentences of any other corpus go
to the one part of the mixture that names it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from metamann.data.sentences.conll2003 import conll2003
from metamann.data.sentences.corpora import CORPORA, read_corpus
from metamann.data.sentences.crossner import SHA256 as CROSSNER_DOMAINS
from metamann.data.sentences.crossner import crossner
from metamann.data.sentences.fewnerd import fewnerd
from metamann.data.sentences.gum import gum
from metamann.data.sentences.store import PARTS, Sentence, SentenceSplits, SentenceStore
from metamann.data.sentences.wnut17 import wnut17
from metamann.errors import DataError, setting

Read = tuple[tuple[Sentence, ...], tuple[str, ...]]
READERS: dict[str, Callable[[], SentenceSplits]] = {
    "conll2003": conll2003,
    "gum": gum,
    "wnut17": wnut17,
    **{f"crossner_{domain}": lambda domain=domain: crossner(domain) for domain in CROSSNER_DOMAINS},  # type: ignore[misc]
}
NAMES = ("fewnerd", *CORPORA, *READERS)


@dataclasses.dataclass(frozen=True)
class MixtureStore(SentenceStore):
    """Sentences of several corpora; the types of every span are named `corpus/type`.

    Attributes:
        corpora: the sentences of each corpus, in the order of `sentences`.
        weights: how often an episode is drawn from each, in any unit.

    Examples:
        >>> from metamann.data.sentences.store import Span
        >>> ada = Sentence(("Ada", "codes"), (Span(0, 1, "person"),))
        >>> store = mixed("toy", {"a": [ada], "b": [ada, ada]}, weights={"a": 1.0, "b": 3.0})
        >>> store.types, store.weights
        (('a/person', 'b/person'), (1.0, 3.0))
    """

    corpora: tuple[SentenceStore, ...] = ()
    weights: tuple[float, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over words, spans, corpora and weights: all that episodes are drawn from."""
        parts = [
            (store.name, store.fingerprint, weight) for store, weight in zip(self.corpora, self.weights, strict=True)
        ]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def mixed(name: str, corpora: Mapping[str, Sequence[Sentence]], weights: Mapping[str, float]) -> MixtureStore:
    """The sentences of corpora behind one another, with types of their own.

    Args:
        name: of the whole.
        corpora: sentences of each by its name.
        weights: of each by its name.
    """
    stores = tuple(
        SentenceStore(corpus, tuple(_own_types(corpus, sentence) for sentence in sentences))
        for corpus, sentences in corpora.items()
    )
    sentences = tuple(sentence for store in stores for sentence in store.sentences)
    return MixtureStore(name, sentences, stores, tuple(float(weights[corpus]) for corpus in corpora))


def mixture(
    train: Mapping[str, float],
    val: Mapping[str, float],
    test: Mapping[str, float],
    without: Sequence[str] = (),
) -> SentenceSplits:
    """Read corpora and put each into the part that names it.

    Args:
        train: corpora for meta-training, and how often an episode comes from each.
        val: corpora for every choice.
        test: corpora for reported results.
        without: corpora whose sentences must not stand in the training part, beside those of val and test. A sentence
            that does is left out there, and counted in the notes.

    Raises:
        DataError: if a corpus is unknown, stands in two parts, a weight is not positive, or a file is missing.
    """
    parts = {"train": train, "val": val, "test": test}
    _check(parts, without)
    read = {part: {name: _read(name, part) for name in names} for part, names in parts.items()}
    unwanted = {sentence.tokens for part in ("val", "test") for own, _ in read[part].values() for sentence in own}
    for name in without:
        unwanted |= {sentence.tokens for part in ("val", "test") for sentence in _read(name, part)[0]}
    notes: list[str] = []
    stores = {}
    for part, corpora in read.items():
        kept = {}
        for name, (sentences, of_reader) in corpora.items():
            stays = [s for s in sentences if part != "train" or s.tokens not in unwanted]
            notes += of_reader
            if len(stays) < len(sentences):
                notes.append(f"{name}: {len(sentences) - len(stays)} sentences of val, test or `without` are left out")
            kept[name] = stays
        stores[part] = mixed(f"mixture/{part}", kept, parts[part])
    return SentenceSplits("mixture", stores["train"], stores["val"], stores["test"], notes=tuple(notes))


def _check(parts: Mapping[str, Mapping[str, float]], without: Sequence[str]) -> None:
    for part, names in parts.items():
        if not isinstance(names, Mapping):
            raise DataError(f"data.{part}={setting(names)} must name corpora and their weights, such as {{btc: 1}}.")
    if isinstance(without, str):
        raise DataError(f"data.without={without} must be a list of corpora, such as [{without}].")
    for name in {name for names in parts.values() for name in names}.union(without):
        if name not in NAMES:
            raise DataError(f"there is no corpus '{name}' for a mixture; choose {', '.join(NAMES)}.")
        inside = [part for part, names in parts.items() if name in names]
        if name != "fewnerd" and len(inside) > 1:
            raise DataError(f"'{name}' stands in {' and '.join(inside)}; all of a corpus goes into one part.")
    for part, names in parts.items():
        if not names:
            raise DataError(f"data.{part} names no corpus; choose from {', '.join(NAMES)}.")
        for name, weight in names.items():
            if not isinstance(weight, int | float) or not 0 < weight < float("inf"):
                raise DataError(f"data.{part}.{name}={weight}: a weight is a positive number.")


def _read(name: str, part: str) -> Read:
    """The sentences that a corpus gives to a part."""
    if name in CORPORA:
        return read_corpus(name)
    splits = fewnerd() if name == "fewnerd" else READERS[name]()
    if name == "fewnerd":
        return splits.split(part).sentences, ()
    return tuple(sentence for own in PARTS for sentence in splits.split(own).sentences), splits.notes


def _own_types(corpus: str, sentence: Sentence) -> Sentence:
    return sentence._replace(spans=tuple(span._replace(type=f"{corpus}/{span.type}") for span in sentence.spans))
