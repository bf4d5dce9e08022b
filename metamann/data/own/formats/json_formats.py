"""JSON, JSON lines: every item of a file is recognised by its own keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from metamann.data.own.documents import Document, TaggedSentence
from metamann.data.own.formats import label_studio, marked_texts, tagged_words
from metamann.data.own.formats.json_items import Item, Items, is_json, json_items
from metamann.data.own.formats.source import Content, Format, Source, Tally
from metamann.errors import DataError, excerpt


class ItemFormat(NamedTuple):
    """How one tool writes a labelled text.

    Attributes:
        name: for people.
        matches: whether an item is written so.
        read: documents or tagged sentences of an item; DataError if its form is wrong.
    """

    name: str
    matches: Callable[[Any], bool]
    read: Callable[[Item], list[Document] | list[TaggedSentence]]


ITEM_FORMATS = (  # the first that matches is taken
    ItemFormat("JSON, texts without labels", marked_texts.is_plain, marked_texts.read_plain),
    ItemFormat("spaCy training pairs", marked_texts.is_pair, marked_texts.read_pair),
    ItemFormat("Label Studio JSON", label_studio.is_task, label_studio.read_task),
    ItemFormat("spaCy 2 training data", tagged_words.is_spacy_2, tagged_words.read_spacy_2),
    ItemFormat("GLiNER", tagged_words.is_gliner, tagged_words.read_gliner),
    ItemFormat("Prodigy", marked_texts.is_prodigy, marked_texts.read_prodigy),
    ItemFormat("spaCy Doc.to_json", marked_texts.is_spacy, marked_texts.read_spacy),
    ItemFormat("Hugging Face tokens and tags", tagged_words.is_words, tagged_words.read_words),
    ItemFormat("Label Studio JSON-MIN", label_studio.is_min, label_studio.read_min),
    ItemFormat("Doccano", marked_texts.is_doccano, marked_texts.read_marked),
    ItemFormat("JSON, texts and their spans", marked_texts.is_marked, marked_texts.read_marked),
)


def read_json(source: Source) -> Content:
    """Read a file of JSON or JSON lines.

    Raises:
        DataError: with the place, if the file is no JSON or an item of it has another form.
    """
    try:
        return read_items(source.path, json_items(source))
    except RecursionError as error:
        raise DataError(f"{source.path} is nested too deep; export the file again.") from error


def read_items(path: Path, items: Items) -> Content:
    """Read the items of a file.

    Args:
        path: of the file.
        items: of it.

    Raises:
        DataError: with the place, if an item has no form that is known, or another than those before it.
    """
    names = items.names or tagged_words.names_beside(path)
    tally = Tally()
    formats: dict[str, None] = {}  # in the order of the file
    documents: list[Document] = []
    sentences: list[TaggedSentence] = []
    for place, value in items.values:
        item = Item(path, place, value, names, tally)
        form = next((form for form in ITEM_FORMATS if form.matches(value)), None)
        if form is None:
            raise item.error(
                f'{excerpt(repr(value))} has no text; give objects such as {{"text": ..., "spans": [[start, end, '
                'type]]} or {"tokens": [...], "ner_tags": [...]}.'
            )
        formats[form.name] = None
        for parsed in form.read(item):
            if not (parsed.text.strip() if isinstance(parsed, Document) else parsed.words):
                item.count("empty texts, left out")
            elif isinstance(parsed, Document):
                documents.append(parsed)
            else:
                sentences.append(parsed)
        if documents and sentences:
            raise item.error("it has another form than those before it; give a file for each.")
    return Content(", ".join(formats) or "JSON", tuple(documents), tuple(sentences), tally.notes())


JSON = Format("JSON", is_json, read_json)
