"""Sentences as Python objects: examples are texts with spans of characters, and answers are entities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metamann.data.own.reader import read_sentences
from metamann.data.own.tokens import tokenise
from metamann.data.sentences.store import Span
from metamann.decoding.tag_spans import FoundSpans, find_spans, named_spans, write_spans
from metamann.episodes.episode import PADDING, Classes, Examples
from metamann.episodes.items.protocols import LabelCodes
from metamann.episodes.sentences.tagging import TagScheme, n_tags
from metamann.episodes.sentences.type_names import TypeNames
from metamann.episodes.text import Text
from metamann.errors import DataError, excerpt
from metamann.learners.learner import Learner
from metamann.modalities.explanations import ReadWord, SentenceExplanation, WordExplanation
from metamann.modalities.labelled_texts import SentenceExample, SentenceQuery, of_marks, of_sentence, of_words
from metamann.modalities.task_objects import FOREIGN, Entity, Outline, device_of, label_codes


class SentenceObjects:
    """Conversion of Python objects to sentences, and of answers to entities; see `Objects`.

    Args:
        codes: label codes of the protocol.
        max_ways: number of types of the largest episode in training.
        scheme: scheme of the tags.

    Examples:
        >>> objects = SentenceObjects(LabelCodes(), max_ways=5)
        >>> objects.labels(objects.read_labelled([("Ada was here", [(0, 3, "person")])]))
        ('person',)
    """

    chunk = 32

    def __init__(self, codes: LabelCodes, max_ways: int, scheme: TagScheme = "io") -> None:
        self.codes, self.max_ways, self.scheme = codes, max_ways, scheme

    def read_labelled(self, objects: Any) -> list[SentenceExample]:
        """Examples of pairs of a text and its spans `(start, end, label)`, or of a labelled file."""
        if isinstance(objects, str | Path):
            return [of_sentence(sentence) for sentence in read_sentences(Path(objects).expanduser()).sentences]
        if not isinstance(objects, Iterable) or isinstance(objects, Mapping):
            raise DataError('examples must be ("text", [(start, end, label), ...]) pairs, or a path.')
        examples = []
        for pair in objects:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise DataError('an example is a pair ("text", [(start, end, label), ...]).')
            text, marks = pair
            if not isinstance(text, str):
                raise DataError(f"{excerpt(repr(text))} is no text; an example is (text, [(start, end, label), ...]).")
            examples.append(of_marks(text, marks.get("entities") if isinstance(marks, Mapping) else marks))
        return examples

    def labels(self, examples: Sequence[SentenceExample]) -> tuple[str, ...]:
        """The labels in the order in which they first appear."""
        return tuple(dict.fromkeys(span.type for example in examples for span in example.spans))

    def without(self, examples: Sequence[SentenceExample], label: str) -> list[SentenceExample]:
        """The sentences without entities of this label; sentences that have only such entities are removed."""
        remaining = [(example, tuple(span for span in example.spans if span.type != label)) for example in examples]
        return [example._replace(spans=spans) for example, spans in remaining if spans or not example.spans]

    def outline(self, example: SentenceExample) -> Outline:
        """The types and the number of words of an example."""
        return Outline(self.labels([example]), len(example.query.words))

    def is_one(self, queries: Any) -> bool:
        """Whether the queries are one text; other queries are a list of texts or of lists of words."""
        return isinstance(queries, str) or not isinstance(queries, Iterable)

    def read_query(self, query: Any) -> SentenceQuery:
        """The query of one text or one list of words."""
        if isinstance(query, str):
            return SentenceQuery(query, tuple(tokenise(query)))
        if isinstance(query, list | tuple) and all(isinstance(word, str) and word.strip() for word in query):
            return of_words(query)
        raise DataError(f"{excerpt(repr(query))} is no sentence; give a text, or a list of words.")

    def support(self, examples: Sequence[SentenceExample], labels: Sequence[str]) -> Examples:
        """A batch of one support set."""
        text = self.inputs([example.query for example in examples])
        numbers = {label: number for number, label in enumerate(labels)}
        rows = [(row, span) for row, example in enumerate(examples) for span in example.spans]
        entities = FoundSpans(
            np.array([row for row, _ in rows], dtype=np.int64),
            np.array([span.start for _, span in rows], dtype=np.int64),
            np.array([span.end for _, span in rows], dtype=np.int64),
            np.array([numbers[span.type] for _, span in rows], dtype=np.int64),
        )
        count, longest = text.words.shape[1:]
        tags = torch.from_numpy(write_spans(entities, (count, longest), self.scheme))
        return Examples(text, tags.unsqueeze(0).masked_fill(~text.present(), PADDING))

    def classes(self, labels: Sequence[str]) -> Classes:
        """The classes of a batch of one task; the labels are the names of its types."""
        tags = n_tags(self.scheme, len(labels))
        codes = label_codes(self.codes, tags, n_tags(self.scheme, self.max_ways))
        return Classes(torch.tensor([tags]), codes, TypeNames(labels).text([np.arange(len(labels))]))

    def inputs(self, queries: Sequence[SentenceQuery]) -> Text:
        """A batch of one, `1 x sentences x length`."""
        sentences = [query.tokens for query in queries]
        return Text.of(sentences, tuple(sorted({word for sentence in sentences for word in sentence})))

    def answers(
        self,
        learner: Learner[Any],
        state: Any,
        queries: Sequence[SentenceQuery],
        labels: Sequence[str],
        temperature: float,
    ) -> list[list[Entity]]:
        """The entities of each text; the temperature changes the scores and not the tags."""
        entities: list[list[Entity]] = [[] for _ in queries]
        nonempty = [number for number, query in enumerate(queries) if query.words]  # a text of blanks has no entity
        if not nonempty:
            return entities
        text = self.inputs([queries[number] for number in nonempty]).to(device_of(learner))
        tags, log_probs = learner.answer(state, text)[0].cpu(), learner.predict(state, text)[0].double().cpu()
        of_tag = log_probs.gather(-1, tags.clamp_min(0).unsqueeze(-1)).squeeze(-1)
        for row, number in enumerate(nonempty):
            query = queries[number]
            for span in named_spans(tags[row, : len(query.words)].tolist(), labels, self.scheme):
                start, end = query.words[span.start][0], query.words[span.end - 1][1]
                score = _scaled(float(of_tag[row, span.start : span.end].mean().exp()), temperature)
                entities[number].append(Entity(start, end, query.text[start:end], span.type, score))
        return entities

    def explain(
        self,
        learner: Learner[Any],
        state: Any,
        query: SentenceQuery,
        answer: list[Entity],
        examples: Sequence[SentenceExample],
    ) -> SentenceExplanation | None:
        """For each word the words of the examples, sorted by weight; None if the learner does not report weights."""
        if not query.words:
            return SentenceExplanation(answer, ())
        weights = learner.read_weights(state, self.inputs([query]).to(device_of(learner)))
        if weights is None:
            return None
        support = [
            ReadWord(number, word, label, 0.0)
            for number, example in enumerate(examples)
            for word, label in zip(example.query.tokens, example.labels, strict=True)
        ]
        if weights.shape[-1] != len(support):
            raise DataError(FOREIGN)
        words = []
        for (start, end), row in zip(query.words, weights[0, 0].cpu(), strict=True):
            label = next((entity.label for entity in answer if entity.start <= start < entity.end), None)
            order = row.argsort(descending=True, stable=True).tolist()
            read = tuple(support[place]._replace(weight=float(row[place])) for place in order if row[place] > 0)
            words.append(WordExplanation(query.text[start:end], label, read))
        return SentenceExplanation(answer, tuple(words))

    def above(self, answer: list[Entity], threshold: float) -> list[Entity]:
        """The entities whose score is at least the threshold."""
        return [entity for entity in answer if entity.score >= threshold]

    def blank(self, size: int) -> Examples:
        """A support set of one sentence of `size` words, all of an entity."""
        support = self.support([SentenceExample(of_words(["."] * size), ())], ())
        return support._replace(labels=torch.ones_like(support.labels))

    def pack(self, examples: Sequence[SentenceExample], labels: Sequence[str]) -> dict[str, Tensor]:
        """The UTF-8 bytes of all texts, and the words and spans of all texts, each with the number of its text."""
        texts = [example.query.text.encode("utf-8", "surrogatepass") for example in examples]
        numbers = {label: number for number, label in enumerate(labels)}
        words = [(row, *word) for row, example in enumerate(examples) for word in example.query.words]
        spans = [
            (row, span.start, span.end, numbers[span.type])
            for row, example in enumerate(examples)
            for span in example.spans
        ]
        return {
            "text": torch.tensor(list(b"".join(texts)), dtype=torch.uint8),
            "sizes": torch.tensor([len(text) for text in texts], dtype=torch.int64),
            "words": torch.tensor(words, dtype=torch.int64).view(-1, 3),
            "spans": torch.tensor(spans, dtype=torch.int64).view(-1, 4),
        }

    def unpack(self, tensors: dict[str, Tensor], labels: Sequence[str]) -> list[SentenceExample]:
        """The examples of `pack`.

        Raises:
            ValueError: if a tensor is missing, has another type or shape, or holds impossible values.
        """
        kinds = {"text": (torch.uint8, ()), "sizes": (torch.int64, ()), "words": (torch.int64, (3,))}
        kinds["spans"] = (torch.int64, (4,))
        if tensors.keys() != kinds.keys() or any(
            tensors[name].dtype != dtype or tensors[name].dim() != 1 + len(shape) or tensors[name].shape[1:] != shape
            for name, (dtype, shape) in kinds.items()
        ):
            raise ValueError("its sentences are not as they are saved")
        content, sizes = bytes(tensors["text"].tolist()), tensors["sizes"].tolist()
        if not sizes or min(sizes) < 0 or sum(sizes) != len(content):
            raise ValueError("its texts do not fit their sizes")
        words: list[list[tuple[int, int]]] = [[] for _ in sizes]
        spans: list[list[Span]] = [[] for _ in sizes]
        for row, start, end in tensors["words"].tolist():
            if not 0 <= row < len(sizes):
                raise ValueError("its words have no text")
            words[row].append((start, end))
        for row, start, end, number in tensors["spans"].tolist():
            if not (0 <= row < len(sizes) and 0 <= number < len(labels)):
                raise ValueError("its entities have no text or no label")
            spans[row].append(Span(start, end, labels[number]))
        examples, place = [], 0
        for size, places, entities in zip(sizes, words, spans, strict=True):
            # a UnicodeDecodeError is a ValueError
            text = content[place : place + size].decode("utf-8", "surrogatepass")
            place += size
            if not (
                _in_order(places, len(text)) and _in_order([(span.start, span.end) for span in entities], len(places))
            ):
                raise ValueError("its words or entities lie outside of their text")
            examples.append(SentenceExample(SentenceQuery(text, tuple(places)), tuple(entities)))
        return examples


def entity_scores(tags: Tensor, log_probs: Tensor, labels: Tensor, scheme: TagScheme) -> tuple[Tensor, Tensor]:
    """Scores of the predicted entities, as in `Entity`, and whether each entity is correct.

    Args:
        tags: `batch x sentences x length`, predicted.
        log_probs: `batch x sentences x length x tags`.
        labels: `batch x sentences x length`, `PADDING` behind the last word.
        scheme: of the tags.
    """
    of_tag = log_probs.double().gather(-1, tags.clamp_min(0).unsqueeze(-1)).squeeze(-1).flatten(0, 1).numpy()
    predicted = find_spans(tags.where(labels != PADDING, 0).flatten(0, 1).numpy(), scheme)
    true = set(
        zip(*(part.tolist() for part in find_spans(labels.clamp_min(0).flatten(0, 1).numpy(), scheme)), strict=True)
    )
    entities = list(zip(*(part.tolist() for part in predicted), strict=True))
    scores = [float(np.exp(of_tag[row, start:end].mean())) for row, start, end, _ in entities]
    return torch.tensor(scores, dtype=torch.float64), torch.tensor(
        [entity in true for entity in entities], dtype=torch.bool
    )


def _in_order(places: Sequence[tuple[int, int]], length: int) -> bool:
    """Whether places lie in the text, are sorted, do not overlap, and are not empty."""
    end = 0
    for start, stop in places:
        if not end <= start < stop <= length:
            return False
        end = stop
    return True


def _scaled(probability: float, temperature: float) -> float:
    """A probability with its log odds divided by the temperature."""
    if temperature == 1 or not 0 < probability < 1:
        return min(probability, 1.0)
    return float(1 / (1 + (1 / probability - 1) ** (1 / temperature)))
