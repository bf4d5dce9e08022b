"""Records: invented sentences with typed spans, made on the spot; the types of val and test are new.

Ten kinds of text (letters, invoices, tickets, job ads, logs, bookings, news, contracts, chats, minutes) are put
together from the segments of `records.txt`. A sentence has one to three segments of one kind in any order, some
without entities, so that neither the place nor the words around it give a type away. A split knows the segments of its
own types alone: no entity of val or test stands unlabelled in train.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metamann.data.cache import cached, expect
from metamann.data.sentences.record_languages import RULES
from metamann.data.sentences.record_values import WORD_LISTS, Values
from metamann.data.sentences.store import PARTS, Sentence, SentenceSplits, SentenceStore, Span
from metamann.errors import check_seed, check_sizes

TYPES = {
    "train": (
        "person", "company", "street", "city", "date", "amount", "email", "order_number", "product", "job_title",
        "phone", "ip_address", "university", "software", "department", "event", "user_name", "room",
    ),
    "val": ("country", "time", "website", "flight", "medicine", "book"),
    "test": ("hotel", "language", "account_number", "vehicle_plate", "file_path", "dish"),
}  # fmt: skip
WITHOUT = 0.08  # share of sentences without any entity
LOWER_CASE = 0.5  # of the chats
TRIES = 50  # to make a text that is not there yet
TEMPLATES = Path(__file__).with_name("records.txt")


def records(sentences: Sequence[int] = (4000, 1000, 1000), seed: int = 0) -> SentenceSplits:
    """Make sentences with 18, 6 and 6 types for train, val and test.

    The same seed gives the same sentences. They are kept in the cache.

    Args:
        sentences: of train, val and test.
        seed: of everything.

    Raises:
        ConfigError: if these are no three numbers, or the seed is none.
    """
    check_sizes("data.sentences", sentences, PARTS)
    check_seed("data.seed", seed)
    key = f"records-{'-'.join(map(str, sentences))}-{seed}-{_digest()}"
    train, val, test = cached(key, lambda: _packed(sentences, seed), _unpacked)
    return SentenceSplits("records", train, val, test)


def _unpacked(tensors: dict[str, Tensor]) -> list[SentenceStore]:
    """The stores of train, val and test."""
    content = bytes(expect(tensors["json"], torch.uint8, -1).tolist())
    stores = []
    for part, rows in zip(PARTS, json.loads(content), strict=True):
        made = (Sentence(tuple(map(_text, tokens)), tuple(_span(*span) for span in spans)) for tokens, spans in rows)
        stores.append(SentenceStore(f"records/{part}", tuple(made)))
    return stores


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _span(start: object, end: object, type_: object) -> Span:
    if not isinstance(start, int) or not isinstance(end, int):
        raise TypeError(f"{start!r} to {end!r} is no span")
    return Span(start, end, _text(type_))


class _Segment:
    """One line of the templates.

    Attributes:
        kind: of text that it belongs to.
        template: its line.
        types: of its entities, choices that may leave one out included.
    """

    def __init__(self, kind: str, template: str) -> None:
        self.kind = kind
        self.template = template
        self.types = tuple(re.findall(r"\{(\w+)\}", template))

    def write(self, rng: random.Random, values: Values) -> Sentence:
        """Choose, fill in, and note where the entities are."""
        chosen = re.sub(r"\[([^]]*)\]", lambda match: rng.choice(match[1].split("|")), self.template)
        filled = re.sub(r"<(\w+)>", lambda match: values.word(match[1]), chosen)
        tokens: list[str] = []
        spans = []
        for piece in filled.split():
            if piece.startswith("{"):
                value = values.of(piece[1:-1])
                spans.append(Span(len(tokens), len(tokens) + len(value), piece[1:-1]))
                tokens += value
            else:
                tokens.append(piece)
        return Sentence(tuple(tokens), tuple(spans))


def segments() -> list[_Segment]:
    """All lines of the templates."""
    lines = []
    kind = ""
    for line in TEMPLATES.read_text(encoding="utf-8").split("\n"):
        if line.startswith("== "):
            kind = line[3:]
        elif line and not line.startswith("#"):
            lines.append(_Segment(kind, line))
    return lines


def _digest() -> str:
    """Of everything that the sentences follow from: what is cached is made anew when it changes."""
    code = (
        Path(__file__),
        Path(__file__).with_name("record_values.py"),
        Path(__file__).with_name("record_languages.py"),
    )
    sources = (TEMPLATES, WORD_LISTS, RULES, *code)
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def _packed(sentences: Sequence[int], seed: int) -> dict[str, Tensor]:
    content = json.dumps(_make(sentences, seed)).encode()
    return {"json": torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())}


def _make(sentences: Sequence[int], seed: int) -> list[list[Sentence]]:
    """Sentences of each split; no text twice."""
    everything = segments()
    texts: set[tuple[str, ...]] = set()
    made = []
    for number, (part, amount) in enumerate(zip(PARTS, sentences, strict=True)):
        rng = random.Random(f"{seed}/{part}")
        values = Values(len(PARTS) * seed + number)
        plain = [segment for segment in everything if not segment.types]
        own = [segment for segment in everything if segment.types and set(segment.types) <= set(TYPES[part])]
        rows = []
        for _ in range(amount):
            for _ in range(TRIES):
                sentence = _sentence(rng, values, TYPES[part], own, plain)
                if sentence.tokens not in texts:
                    break
            texts.add(sentence.tokens)
            rows.append(sentence)
        made.append(rows)
    return made


def _sentence(
    rng: random.Random, values: Values, types: Sequence[str], own: list[_Segment], plain: list[_Segment]
) -> Sentence:
    """One to three segments of one kind, in any order; the first is drawn by its type, so that all types are met."""
    if rng.random() < WITHOUT:
        first = rng.choice(plain)
        parts = [first, *_others(rng, first, plain, rng.randrange(2))]
    else:
        type_ = rng.choice(types)
        first = rng.choice([segment for segment in own if type_ in segment.types])
        parts = [first, *_others(rng, first, own, rng.choice((0, 0, 1))), *_others(rng, first, plain, rng.randrange(2))]
        rng.shuffle(parts)
    tokens: list[str] = []
    spans: list[Span] = []
    for part in parts:
        written = part.write(rng, values)
        spans += [Span(start + len(tokens), end + len(tokens), type_) for start, end, type_ in written.spans]
        tokens += written.tokens
    if first.kind == "chat" and rng.random() < LOWER_CASE:
        tokens = [token.lower() for token in tokens]
    return Sentence(tuple(tokens), tuple(spans))


def _others(rng: random.Random, first: _Segment, among: list[_Segment], amount: int) -> list[_Segment]:
    return rng.sample([segment for segment in among if segment.kind == first.kind and segment is not first], amount)
