"""Nearest neighbour: masses against a transcription in NumPy, ties, and a label that has one pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

FEATURES, CLASSES, BATCH, STEPS = 5, 3, 2, 9
Make = Callable[..., Any]


def draw(steps: int = STEPS, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(BATCH, steps, FEATURES, generator=generator, dtype=torch.float64)
    return features, torch.randint(CLASSES, (BATCH, steps), generator=generator)


def reference_masses(memory: Any, pairs: list[tuple[np.ndarray, int]], item: np.ndarray) -> np.ndarray:
    """Mass on each label and on "never seen"."""
    strength, threshold = memory.log_strength.exp().item(), memory.never_seen.item()
    scores = np.full(CLASSES + 1, -np.inf)
    for key, label in pairs:
        near = key @ item / (np.linalg.norm(key) * np.linalg.norm(item))
        scores[label] = max(scores[label], strength * near)
    scores[-1] = strength * threshold
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def test_queries_and_streams_read_the_nearest_of_each_label(make_memory: Make) -> None:
    memory = make_memory("nearest", FEATURES, CLASSES)
    features, labels = draw()
    codes, mask = torch.eye(CLASSES, dtype=torch.float64)[labels], torch.ones(BATCH, STEPS, dtype=torch.bool)
    fresh = memory.initial_state(BATCH, CLASSES, features)
    streamed, state = memory.scan(fresh, features, codes, mask)
    queries, _ = draw(4, seed=1)
    read = memory.read(state, queries)
    for episode in range(BATCH):
        pairs = [(x.numpy(), int(label)) for x, label in zip(features[episode], labels[episode], strict=True)]
        for query in range(4):
            expected = reference_masses(memory, pairs, queries[episode, query].numpy())
            np.testing.assert_allclose(read[episode, query].detach().numpy(), expected, atol=1e-12)
        for step in range(STEPS):
            expected = reference_masses(memory, pairs[:step], pairs[step][0])
            np.testing.assert_allclose(streamed[episode, step].detach().numpy(), expected, atol=1e-12)


def test_a_pair_written_twice_counts_once(make_memory: Make) -> None:
    memory = make_memory("nearest", FEATURES, CLASSES)
    features, labels = draw()
    codes, mask = torch.eye(CLASSES, dtype=torch.float64)[labels], torch.ones(BATCH, STEPS, dtype=torch.bool)
    fresh = memory.initial_state(BATCH, CLASSES, features)
    once = memory.write(fresh, features, codes, mask)
    twice = memory.write(once, features, codes, mask)
    queries, _ = draw(4, seed=1)
    torch.testing.assert_close(memory.read(once, queries), memory.read(twice, queries))


def test_the_nearest_of_each_label_is_the_one_that_is_read(make_memory: Make) -> None:
    memory = make_memory("nearest", FEATURES, CLASSES)
    features, labels = draw()
    labels = labels.clamp_max(CLASSES - 2)  # the last label has no pair
    codes, mask = torch.eye(CLASSES, dtype=torch.float64)[labels], torch.ones(BATCH, STEPS, dtype=torch.bool)
    mask[0, 3] = False
    fresh = memory.initial_state(BATCH, CLASSES, features)
    queries, _ = draw(4, seed=1)
    slots, cosines = memory.nearest(memory.write(fresh, features, codes, mask), queries)
    for episode in range(BATCH):
        near = torch.cosine_similarity(queries[episode].unsqueeze(1), features[episode], dim=-1)
        for label in range(CLASSES - 1):
            holds = (labels[episode] == label) & mask[episode]
            best = near.masked_fill(~holds, -torch.inf).max(-1)
            assert torch.equal(slots[episode, :, label], best.indices)
            torch.testing.assert_close(cosines[episode, :, label], best.values)
    assert (slots[..., -1] == -1).all()
    assert (memory.nearest(fresh, queries)[0] == -1).all()
