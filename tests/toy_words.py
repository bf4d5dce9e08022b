"""A task of words that can be told apart, for the tests of learners of sentences: the type of a word is in its name."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metamann.data.sentences.store import Sentence, SentenceStore, Span
from metamann.episodes.text import Text

TYPES = 8
WIDTH = 16


def toy_store(sentences: int = 200, seed: int = 0) -> SentenceStore:
    """Words `o3` are outside, `Type2x5` of an entity of type 2; entities have one or two words."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(sentences):
        tokens: list[str] = []
        spans: list[Span] = []
        for type_ in rng.choice(TYPES, rng.integers(1, 3), replace=False):
            tokens += [f"o{rng.integers(30)}" for _ in range(rng.integers(1, 4))]
            size = int(rng.integers(1, 3))
            spans.append(Span(len(tokens), len(tokens) + size, f"type{type_}"))
            tokens += [f"Type{type_}x{rng.integers(9)}" for _ in range(size)]
        made.append(Sentence((*tokens, "."), tuple(spans)))
    return SentenceStore("toy words", tuple(made))


class ToyEncoder(nn.Module):
    """One direction for each type and one for words outside, with a little noise that is the word's own."""

    features = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, inputs: Text) -> Tensor:
        """Features of words; zeros at padding."""
        table = torch.stack([self._of(word) for word in inputs.lexicon])
        present = inputs.present().unsqueeze(-1)
        return self.scale * table[inputs.words.clamp_min(0)] * present

    @staticmethod
    @cache
    def _of(word: str) -> Tensor:
        noise = torch.randn(WIDTH, generator=torch.Generator().manual_seed(sum(map(ord, word)) * 31 + len(word)))
        found = re.match(r"Type(\d)", word)
        return nn.functional.one_hot(torch.tensor(int(found[1]) if found else TYPES), WIDTH) + 0.1 * noise


def train(learner: Any, sampler: Any, steps: int = 60, rate: float = 0.02) -> Any:
    """A few steps of Adam on batches of four."""
    optimizer = torch.optim.Adam(learner.parameters(), lr=rate)
    learner.train()
    for step in range(steps):
        total, _ = learner.loss(sampler.batch(range(4 * step, 4 * step + 4)))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return learner.eval()
