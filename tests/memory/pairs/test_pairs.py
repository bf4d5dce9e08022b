"""Top-k reads of the memories of pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metamann.errors import ConfigError
from metamann.memory.pairs.pairs import PairMemory

FEATURES, CODE_WIDTH, BATCH, STEPS = 5, 3, 2, 6
Make = Callable[..., PairMemory]
KINDS = pytest.mark.parametrize("kind", ["keyvalue", "keyvalue_bounded"])


def draw(steps: int = STEPS, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features, one-hot codes, all shown."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(BATCH, steps, FEATURES, generator=generator, dtype=torch.float64)
    codes = torch.eye(CODE_WIDTH, dtype=torch.float64)[torch.randint(CODE_WIDTH, (BATCH, steps), generator=generator)]
    return features, codes, torch.ones(BATCH, steps, dtype=torch.bool)


def written(memory: PairMemory, features: Tensor, codes: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """Reads of a sequence, then of queries of which no two are alike."""
    reads, state = memory.scan(memory.initial_state(len(features), codes.shape[-1], features), features, codes, shown)
    return reads, memory.read(state, features.flip(1) + 0.1)


@KINDS
@pytest.mark.parametrize("top_k", [1, 3])
def test_only_the_nearest_keys_and_never_seen_get_attention(make_memory: Make, kind: str, top_k: int) -> None:
    memory = make_memory(kind, FEATURES, CODE_WIDTH, top_k=top_k)
    features, codes, shown = draw(steps=4)
    queries, _, _ = draw(seed=3)
    state = memory.write(memory.initial_state(BATCH, CODE_WIDTH, features), features, codes, shown)
    reads = memory.read(state, queries).detach().numpy()
    strength, never_seen = memory.log_strength.exp().item(), memory.never_seen.item()
    for episode, q in np.ndindex(BATCH, STEPS):
        query = queries[episode, q].numpy()
        cosines = [key @ query / np.linalg.norm(key) / np.linalg.norm(query) for key in features[episode].numpy()]
        expected = np.zeros(CODE_WIDTH + 1)
        expected[-1] = np.exp(strength * never_seen)
        for slot in np.argsort(cosines)[::-1][:top_k]:
            expected[:-1] += np.exp(strength * cosines[slot]) * codes[episode, slot].numpy()
        np.testing.assert_allclose(reads[episode, q], expected / expected.sum(), rtol=1e-9, atol=1e-12)


@KINDS
@pytest.mark.parametrize("hops", [1, 3])
def test_top_k_of_all_slots_is_every_slot(make_memory: Make, kind: str, hops: int) -> None:
    sequence = draw()
    everything = written(make_memory(kind, FEATURES, CODE_WIDTH, hops=hops), *sequence)
    for top_k in (STEPS, 2 * STEPS):
        most = written(make_memory(kind, FEATURES, CODE_WIDTH, hops=hops, top_k=top_k), *sequence)
        assert all(torch.equal(one, other) for one, other in zip(most, everything, strict=True))
    fewer = written(make_memory(kind, FEATURES, CODE_WIDTH, hops=hops, top_k=1), *sequence)
    assert not any(torch.allclose(one, other) for one, other in zip(fewer, everything, strict=True))


@KINDS
def test_of_slots_that_tie_the_first_are_read(make_memory: Make, kind: str) -> None:
    """All keys are the query itself, an axis, so that every cosine is exactly 1."""
    memory = make_memory(kind, FEATURES, 4, top_k=2)
    features = torch.eye(FEATURES, dtype=torch.float64)[0].expand(1, 4, -1)
    codes, shown = torch.eye(4, dtype=torch.float64).unsqueeze(0), torch.ones(1, 4, dtype=torch.bool)
    reads, state = memory.scan(memory.initial_state(1, 4, features), features, codes, shown)
    for masses in (memory.read(state, features[:, :1])[0, 0], reads[0, 3]):
        assert masses[0] == masses[1] > 0
        assert not masses[2:4].any()


def test_rounding_does_not_choose_between_equal_keys(make_memory: Make) -> None:
    """The products with equal keys need not be equal bits; of the copies of the nearest key the first is read."""
    (feature, _, _), (queries, _, _) = draw(steps=1), draw(steps=3, seed=1)
    for slots in range(2, 40):
        memory = make_memory("keyvalue", FEATURES, slots, top_k=1)
        copies, codes = feature.expand(-1, slots, -1), torch.eye(slots, dtype=torch.float64).expand(BATCH, -1, -1)
        shown = torch.ones(BATCH, slots, dtype=torch.bool)
        masses = memory.read(memory.write(memory.initial_state(BATCH, slots, copies), copies, codes, shown), queries)
        assert (masses[..., 0] > 0).all()
        assert not masses[..., 1:-1].any()


@KINDS
@pytest.mark.parametrize("top_k", [0, 1.5])
def test_no_slots_and_parts_of_a_slot_are_refused(make_memory: Make, kind: str, top_k: float) -> None:
    with pytest.raises(ConfigError, match=f"memory.top_k={top_k}"):
        make_memory(kind, FEATURES, CODE_WIDTH, top_k=top_k)
