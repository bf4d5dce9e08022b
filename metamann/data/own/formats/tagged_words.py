"""JSON objects of words: Hugging Face's tokens and tags, GLiNER's spans of words, training data of spaCy 2.

Words that are objects with offsets belong to a text: metamann.data.own.formats.marked_texts reads them.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Any

from metamann.data.own.documents import Document, Mark, TaggedSentence
from metamann.data.own.formats.json_items import WORD_KEYS, Item, tag_names
from metamann.data.own.formats.marked_texts import has_spans, is_marked
from metamann.data.own.formats.marks import first_label, is_mark, whole
from metamann.data.text_files import read_text
from metamann.errors import DataError, excerpt

TAG_KEYS = ("ner_tags", "ner", "tags", "labels", "label", "ner_labels", "entities")
TAG = re.compile("O|[A-Z]-.*")  # what makes a tag of a key that is not known
GLINER_FORM = "[first word, last word, type], numbers of words from 0"


def is_gliner(value: Any) -> bool:
    """Whether an item is one of GLiNER."""
    return isinstance(value, dict) and isinstance(value.get("tokenized_text"), list)


def is_words(value: Any) -> bool:
    """Whether an item is an object with a list of words, and not a text with spans of its characters."""
    return isinstance(value, dict) and _word_key(value) is not None and not (is_marked(value) and has_spans(value))


def is_spacy_2(value: Any) -> bool:
    """Whether an item is a document of the training data of spaCy 2."""
    return isinstance(value, dict) and isinstance(value.get("paragraphs"), list)


def read_gliner(item: Item) -> list[Document]:
    """The words of an item, joined by blanks, with its marks; the second number of a span is its last word.

    Raises:
        DataError: if words or spans are not what they should be.
    """
    words = _words(item, item.value["tokenized_text"])
    spans = item.value.get("ner")
    if spans is not None and not isinstance(spans, list):
        raise item.error(f"its spans are {excerpt(repr(spans))}, but should be a list of {GLINER_FORM}.")
    ends = list(accumulate(len(word) + 1 for word in words))
    borders = tuple((end - 1 - len(word), end - 1) for word, end in zip(words, ends, strict=True))
    marks = None if spans is None else tuple(_word_mark(item, span, borders) for span in spans)
    return [Document(item.place, " ".join(words), marks, borders)]


def read_words(item: Item) -> list[TaggedSentence]:
    """The words of an item with their tags, which may be numbers if their names are known.

    Raises:
        DataError: if there is not a tag a word, or numbers have no names.
    """
    key = _word_key(item.value)
    words = _words(item, item.value[key])
    places = (item.place,) * len(words)
    key = _tag_key(item.value, key, len(words))
    if key is None:
        if any(isinstance(spans, list) and spans and all(map(is_mark, spans)) for spans in item.value.values()):
            raise item.error(f"spans of words are read as tokenized_text with ner, a list of {GLINER_FORM}.")
        return [TaggedSentence(words, None, places)]
    tags = item.value[key]
    if isinstance(tags, str):
        tags = tags.split()
    if not isinstance(tags, list) or len(tags) != len(words):
        count = len(tags) if isinstance(tags, list) else excerpt(repr(tags))
        raise item.error(f"it has {len(words)} words, but '{excerpt(key)}' is {count}; give a tag a word.")
    names = item.names or tag_names(item.value)
    return [TaggedSentence(words, tuple(_tag(item, tag, names) for tag in tags), places)]


def read_spacy_2(item: Item) -> list[TaggedSentence]:
    """The sentences of a document, with tags of BILUO; `-` is no tag.

    Raises:
        DataError: if its form is another.
    """
    parsed = []
    for paragraph in item.value["paragraphs"]:
        sentences = paragraph.get("sentences") if isinstance(paragraph, dict) else None
        for sentence in sentences if isinstance(sentences, list) else [None]:
            tokens = sentence.get("tokens") if isinstance(sentence, dict) else None
            if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
                raise item.error('a paragraph should be {"sentences": [{"tokens": [{"orth": ..., "ner": ...}]}]}.')
            words = _words(item, [token.get("orth") for token in tokens])
            tags = tuple(_tag(item, token.get("ner"), ()) for token in tokens)
            tags = tuple(None if tag == "-" else tag for tag in tags)
            parsed.append(TaggedSentence(words, tags if any(tags) else None, (item.place,) * len(words)))
    return parsed


def names_beside(path: Path) -> tuple[str, ...]:
    """Names of the tags in the description that `datasets` writes beside a file; empty if there is none.

    Raises:
        DataError: if the description cannot be read.
    """
    described = path.parent / "dataset_info.json"
    if described.is_file():
        return tag_names(_described(described))
    described = path.parent / "dataset_infos.json"
    if not described.is_file():
        return ()
    content = _described(described)
    names = {tag_names(configuration) for configuration in content.values()} if isinstance(content, dict) else set()
    return names.pop() if len(names) == 1 else ()


def _described(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON ({excerpt(error)}); repair it or take it away.") from error


def _word_key(value: dict[str, Any]) -> str | None:
    return next(
        (
            key
            for key in WORD_KEYS
            if isinstance(value.get(key), list) and not any(isinstance(word, dict) for word in value[key])
        ),
        None,
    )


def _tag_key(value: dict[str, Any], word_key: str | None, words: int) -> str | None:
    """The key of the tags; None if there are none."""
    known = [key for key in TAG_KEYS if key in value and key != word_key]
    if known:
        return next((key for key in known if value[key] is not None), None)
    return next(
        (
            key
            for key, tags in value.items()
            if isinstance(tags, list) and len(tags) == words and key != word_key and words
            if all(isinstance(tag, str) and TAG.fullmatch(tag) for tag in tags)
        ),
        None,
    )


def _words(item: Item, values: list[Any]) -> tuple[str, ...]:
    for number, word in enumerate(values, 1):
        if not isinstance(word, str) or not word.strip():
            raise item.error(f"word {number} is {excerpt(repr(word))}; give every word as a text that is not blank.")
    return tuple(item.check(word) for word in values)


def _tag(item: Item, tag: Any, names: tuple[str, ...]) -> str | None:
    if tag is None or isinstance(tag, str):
        return None if tag is None or not tag.strip() else item.check(tag)
    number = whole(tag)
    if number is None:
        raise item.error(f"a tag is {excerpt(repr(tag))}, but should be a name such as B-person, or a number.")
    if not names:
        raise item.error(
            "its tags are numbers without names; put the dataset_info.json of the data set beside the file, or add "
            'a first line {"names": ["O", "B-person", ...]}.'
        )
    if not 0 <= number < len(names):
        raise item.error(f"tag {excerpt(number)} has no name; there are {len(names)} names, from 0.")
    return item.check(names[number])


def _word_mark(item: Item, span: Any, borders: tuple[tuple[int, int], ...]) -> Mark:
    first, last, label = span if isinstance(span, list) and len(span) == 3 else (None, None, None)
    start, end, name = whole(first), whole(last), first_label(item, label)
    if start is None or end is None or name is None:
        raise item.error(f"a span is {excerpt(repr(span))}, but should be {GLINER_FORM}.")
    if not 0 <= start <= end < len(borders):
        raise item.error(f"the span {excerpt(repr(span))} is outside of its {len(borders)} words; give {GLINER_FORM}.")
    return Mark(borders[start][0], borders[end][1], name)
