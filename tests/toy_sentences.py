"""Random sentences with random entities, for tests."""

from __future__ import annotations

import numpy as np

from metamann.data.sentences.fixed_episodes import FixedEpisode, FixedEpisodeStore
from metamann.data.sentences.store import Sentence, SentenceStore, Span

WORDS = tuple(f"w{number}" for number in range(40))


def random_sentence(rng: np.random.Generator, types: list[str], longest: int = 12) -> Sentence:
    """Up to three entities of up to three tokens; neighbours of one type happen."""
    length = int(rng.integers(1, longest + 1))
    tokens = tuple(WORDS[number] for number in rng.integers(0, len(WORDS), length))
    spans: list[Span] = []
    start = 0
    while start < length and len(spans) < 3:
        start += int(rng.integers(0, 4))
        end = min(length, start + int(rng.integers(1, 4)))
        if start < end and rng.random() < 0.8:
            spans.append(Span(start, end, str(rng.choice(types))))
        start = end
    return Sentence(tokens, tuple(spans))


def random_store(sentences: int = 300, types: int = 7, seed: int = 0, name: str = "toy") -> SentenceStore:
    """Some texts stand twice, some sentences have no entity."""
    rng = np.random.default_rng(seed)
    names = [f"type{number}" for number in range(types)]
    made = [random_sentence(rng, names) for _ in range(sentences)]
    again = [made[number] for number in rng.integers(0, sentences, sentences // 5)]
    return SentenceStore(name, tuple(made + again))


def random_episodes(episodes: int = 6, seed: int = 0, name: str = "toy episodes") -> FixedEpisodeStore:
    """Two to four types each; the sentences hold a type that no episode has."""
    rng = np.random.default_rng(seed)
    names = [f"type{number}" for number in range(6)]
    made = []
    for _ in range(episodes):
        types = tuple(str(each) for each in rng.choice(names, rng.integers(2, 5), replace=False))
        support, query = (
            tuple(random_sentence(rng, [*types, "other"]) for _ in range(size)) for size in rng.integers(1, 6, 2)
        )
        made.append(FixedEpisode(support, query, types))
    return FixedEpisodeStore(name, tuple(made))
