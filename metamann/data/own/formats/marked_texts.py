"""JSON objects of a text with spans of characters: Doccano, Prodigy, spaCy, and everybody's own.

The spans stand under one of SPAN_KEYS or, if none of these is there, under the only key that holds spans. A text
without such a key has no labels. Where the text is cut into `tokens` with offsets, these are its words.
"""

from __future__ import annotations

import re
from typing import Any

from metamann.data.own.documents import Document, TaggedSentence
from metamann.data.own.formats.json_items import TEXT_KEYS, Item
from metamann.data.own.formats.marks import is_mark, read_marks, read_words, whole
from metamann.data.own.formats.source import split_document
from metamann.errors import excerpt

TAG = re.compile("O|[A-Z][-_].+")
SPAN_KEYS = ("spans", "entities", "ents", "label", "labels", "annotations", "annotation", "ner", "tags", "ner_tags")
PRODIGY_KEYS = ("answer", "_input_hash", "_task_hash", "_view_id")


def is_plain(value: Any) -> bool:
    """Whether an item is a text without anything else."""
    return isinstance(value, str)


def is_pair(value: Any) -> bool:
    """Whether an item is a training pair of spaCy, `[text, {"entities": ...}]`."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def is_prodigy(value: Any) -> bool:
    """Whether an item is one of Prodigy."""
    return is_marked(value) and any(key in value for key in PRODIGY_KEYS)


def is_spacy(value: Any) -> bool:
    """Whether an item is what spaCy's `Doc.to_json` gives."""
    return is_marked(value) and isinstance(value.get("tokens"), list) and ("ents" in value or "sents" in value)


def is_doccano(value: Any) -> bool:
    """Whether an item is one of Doccano, which writes them in two ways."""
    if not is_marked(value):
        return False
    labels = value.get("label", value.get("labels"))
    entities = value.get("entities")
    return (isinstance(labels, list) and all(map(is_mark, labels))) or (
        isinstance(entities, list) and all(isinstance(entity, dict) and "start_offset" in entity for entity in entities)
    )


def is_marked(value: Any) -> bool:
    """Whether an item is an object with a text."""
    return isinstance(value, dict) and any(isinstance(value.get(key), str) for key in TEXT_KEYS)


def has_spans(value: dict[str, Any]) -> bool:
    """Whether an object has a list of spans, which may be empty."""
    return any(isinstance(value.get(key), list) and all(map(is_mark, value[key])) for key in SPAN_KEYS)


def read_plain(item: Item) -> list[Document]:
    """A text without labels."""
    return [Document(item.place, item.check(item.value), None)]


def read_pair(item: Item) -> list[Document]:
    """A training pair of spaCy.

    Raises:
        DataError: if its entities are no list of spans.
    """
    text, labels = item.value
    entities = labels.get("entities")
    marks = None if entities is None else read_marks(item, entities)
    return [Document(item.place, item.check(text), marks)]


def read_prodigy(item: Item) -> list[Document]:
    """A text of Prodigy with its own words, if it was accepted.

    Raises:
        DataError: if its spans or tokens are not what they should be.
    """
    value = item.value
    if value.get("answer", "accept") != "accept":
        item.count("texts that were not accepted, left out")
        return []
    _count_relations(item)
    text = item.check(_text(value))
    words = _own_words(item, text)
    spans = value.get("spans")
    if spans is None:
        return [Document(item.place, text, () if "answer" in value else None, words)]
    return [Document(item.place, text, read_marks(item, spans), words)]


def read_spacy(item: Item) -> list[Document]:
    """The sentences of a document of spaCy, with its own words.

    Raises:
        DataError: if its entities, tokens or sentences are not what they should be.
    """
    value = item.value
    text = item.check(_text(value))
    marks = None if value.get("ents") is None else read_marks(item, value["ents"])
    document = Document(item.place, text, marks, read_words(item, text, value["tokens"]))
    sentences = value.get("sents") or []
    if not isinstance(sentences, list):
        raise item.error(f"its sentences are {excerpt(repr(sentences))}, but should be a list.")
    borders = [border for sentence in sentences if (border := _start(sentence)) is not None]
    parts, crossed = split_document(document, borders, "{place}, sentence {number}")
    item.count("sentence borders inside a span, passed over", crossed)
    return parts


def read_marked(item: Item) -> list[Document] | list[TaggedSentence]:
    """A text with its spans, if it has any, under any key.

    Raises:
        DataError: if several keys hold spans, or what should be spans are none.
    """
    value = item.value
    text_key = _text_key(value)
    text = item.check(_text(value))
    known = {key: value[key] for key in SPAN_KEYS if key != text_key and value.get(key) is not None}
    filled = {key: spans for key, spans in known.items() if spans not in ([], "")}
    marked = {
        key: spans
        for key, spans in (known or value).items()
        if isinstance(spans, list) and spans and all(map(is_mark, spans)) and key not in ("tokens", "sents")
    }
    if len(marked) == 1 or not known:
        filled = marked  # what else has such a name is about the text as a whole
    if len(filled) > 1:
        raise item.error(f"spans stand under several names ({excerpt(', '.join(filled))}); keep the one that is meant.")
    _count_relations(item)
    if not filled:
        return [Document(item.place, text, () if known else None, _own_words(item, text))]
    key, spans = next(iter(filled.items()))
    words = text.split()
    if isinstance(spans, str):
        spans = spans.split()
    tags = isinstance(spans, list) and all(isinstance(tag, str) for tag in spans)
    if tags and len(spans) == len(words) and any(TAG.fullmatch(tag) for tag in spans):
        return [TaggedSentence(tuple(words), tuple(map(item.check, spans)), (item.place,) * len(words))]
    if tags:
        raise item.error(
            f"'{key}' holds {len(spans)} names for {len(words)} words; give spans as [start, end, type], or a tag "
            "for each word."
        )
    return [Document(item.place, text, read_marks(item, spans), _own_words(item, text))]


def _start(sentence: Any) -> int | None:
    return whole(sentence.get("start")) if isinstance(sentence, dict) else None


def _own_words(item: Item, text: str) -> tuple[tuple[int, int], ...] | None:
    """The words that the file itself cuts a text into; None if it does not."""
    tokens = item.value.get("tokens")
    if not isinstance(tokens, list) or not tokens or not all(map(is_mark, tokens)):
        return None
    return read_words(item, text, tokens)


def _text_key(value: dict[str, Any]) -> str:
    return next(key for key in TEXT_KEYS if isinstance(value.get(key), str))


def _text(value: dict[str, Any]) -> str:
    text: str = value[_text_key(value)]
    return text


def _count_relations(item: Item) -> None:
    relations = item.value.get("relations")
    if isinstance(relations, list):
        item.count("relations, left out", len(relations))
