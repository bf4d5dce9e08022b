"""Prototypes: the mean of a label's keys, against a transcription in NumPy and against the key-value memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contract import Make, after_writing, full_mask, labelled_sequence
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from metamann.memory.pairs.keyvalue import KeyValueMemory
from metamann.memory.pairs.prototypes import PrototypeMemory

CLASSES, BATCH, STEPS = 3, 2, 9


def draw(steps: int = STEPS, seed: int = 0, random_codes: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Features, codes and labels."""
    return labelled_sequence(steps, BATCH, CLASSES, seed, random_codes)


def reference_masses(memory: PrototypeMemory, support: list[tuple[np.ndarray, int]], item: np.ndarray) -> np.ndarray:
    """Mass on each label and on "never seen", from pairs of features and label."""
    strength, threshold = memory.log_strength.exp().item(), memory.never_seen.item()
    scores = np.full(CLASSES + 1, -np.inf)
    for label in {label for _, label in support}:
        mean = np.mean([x / np.linalg.norm(x) for x, its in support if its == label], axis=0)
        scores[label] = strength * mean @ item / (np.linalg.norm(mean) * np.linalg.norm(item))
    scores[-1] = strength * threshold
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def test_a_stream_reads_the_means_of_what_came_before(make_memory: Make) -> None:
    memory = make_memory("prototypes")
    features, codes, labels = draw()
    reads, _ = memory.scan(memory.initial_state(BATCH, CLASSES, features), features, codes, full_mask(features))
    for episode in range(BATCH):
        pairs = [(x.numpy(), int(label)) for x, label in zip(features[episode], labels[episode], strict=True)]
        for t in range(STEPS):
            expected = reference_masses(memory, pairs[:t], pairs[t][0])
            np.testing.assert_allclose(reads[episode, t].detach().numpy(), expected, atol=1e-12)


def test_queries_read_the_means_of_the_support(make_memory: Make) -> None:
    memory = make_memory("prototypes")
    features, codes, labels = draw()
    queries, _, _ = draw(4, seed=1)
    state = after_writing(memory, features, codes)
    reads = memory.read(state, queries).detach().numpy()
    for episode in range(BATCH):
        pairs = [(x.numpy(), int(label)) for x, label in zip(features[episode], labels[episode], strict=True)]
        for q in range(4):
            expected = reference_masses(memory, pairs, queries[episode, q].numpy())
            np.testing.assert_allclose(reads[episode, q], expected, atol=1e-12)


def test_with_one_example_of_each_label_it_is_the_key_value_memory(make_memory: Make) -> None:
    prototypes, pairs = (make_memory(kind) for kind in ("prototypes", "keyvalue"))
    pairs.load_state_dict(prototypes.state_dict())
    features, _, _ = draw(CLASSES)
    codes = torch.eye(CLASSES, dtype=torch.float64).expand(BATCH, -1, -1)
    queries, _, _ = draw(4, seed=1)
    assert isinstance(pairs, KeyValueMemory)
    reads = [memory.read(after_writing(memory, features, codes), queries) for memory in (prototypes, pairs)]
    torch.testing.assert_close(*reads)


@given(order=st.permutations(range(STEPS)), border=st.integers(0, STEPS), random_codes=st.booleans())
def test_neither_the_order_nor_the_portions_of_the_support_matter(
    make_memory: Make, order: list[int], border: int, random_codes: bool
) -> None:
    memory = make_memory("prototypes")
    features, codes, _ = draw(random_codes=random_codes)
    queries, _, _ = draw(4, seed=1)
    fresh = memory.initial_state(BATCH, codes.shape[-1], features)
    at_once = memory.read(memory.write(fresh, features, codes, full_mask(features)), queries)
    first, second = order[:border], order[border:]
    state = memory.write(fresh, features[:, first], codes[:, first], full_mask(features[:, first]))
    state = memory.write(state, features[:, second], codes[:, second], full_mask(features[:, second]))
    torch.testing.assert_close(memory.read(state, queries), at_once)


def test_one_slot_a_label(make_memory: Make) -> None:
    memory = make_memory("prototypes")
    features, codes, labels = draw()
    state = after_writing(memory, features, codes)
    for episode in range(BATCH):
        assert int(state.filled[episode].sum()) == len(labels[episode].unique())
        assert not state.sums[episode][~state.filled[episode]].any()


def test_pairs_are_traced_to_the_slot_of_their_label(make_memory: Make) -> None:
    memory = make_memory("prototypes")
    features, codes, labels = draw()
    trace = memory.trace(memory.initial_state(BATCH, CLASSES, features), features, codes, full_mask(features))
    assert trace.write_weights is not None
    for episode in range(BATCH):
        first = [labels[episode].tolist().index(label) for label in labels[episode]]
        assert trace.write_weights[episode, 0].argmax(-1).tolist() == first


@pytest.mark.parametrize("form", ["scan", "read"])
def test_gradients_are_those_of_finite_differences(make_memory: Make, form: str) -> None:
    memory = make_memory("prototypes")
    features, codes, _ = draw(4)

    def reads(inputs: Tensor) -> Tensor:
        fresh = memory.initial_state(BATCH, CLASSES, inputs)
        scanned, state = memory.scan(fresh, inputs, codes, full_mask(inputs))
        result: Tensor = scanned if form == "scan" else memory.read(state, inputs)
        return result

    assert torch.autograd.gradcheck(reads, features.requires_grad_())
