"""Nearest neighbour: masses against a transcription in NumPy, ties, and a label that has one pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from contract import Make, full_mask, labelled_sequence

CLASSES, BATCH, STEPS = 3, 2, 9


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
    memory = make_memory("nearest")
    features, codes, labels = labelled_sequence(STEPS, BATCH, CLASSES)
    mask = full_mask(features)
    fresh = memory.initial_state(BATCH, CLASSES, features)
    streamed, state = memory.scan(fresh, features, codes, mask)
    queries = labelled_sequence(4, BATCH, CLASSES, seed=1)[0]
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
    memory = make_memory("nearest")
    features, codes, _ = labelled_sequence(STEPS, BATCH, CLASSES)
    mask = full_mask(features)
    fresh = memory.initial_state(BATCH, CLASSES, features)
    once = memory.write(fresh, features, codes, mask)
    twice = memory.write(once, features, codes, mask)
    queries = labelled_sequence(4, BATCH, CLASSES, seed=1)[0]
    torch.testing.assert_close(memory.read(once, queries), memory.read(twice, queries))


def test_the_nearest_of_each_label_is_the_one_that_is_read(make_memory: Make) -> None:
    memory = make_memory("nearest")
    features, _, labels = labelled_sequence(STEPS, BATCH, CLASSES)
    labels = labels.clamp_max(CLASSES - 2)  # the last label has no pair
    codes, mask = torch.eye(CLASSES, dtype=torch.float64)[labels], full_mask(features)
    mask[0, 3] = False
    fresh = memory.initial_state(BATCH, CLASSES, features)
    queries = labelled_sequence(4, BATCH, CLASSES, seed=1)[0]
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
